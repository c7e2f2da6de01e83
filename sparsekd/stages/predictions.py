"""Predictions of a model for any texts, chunk by chunk, and for the texts of a task."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sparsekd.catalog.parameters import TrainParams
from sparsekd.data import encode, load
from sparsekd.errors import BadInput, unknown
from sparsekd.knowledge.evaluation import Logits, OnProgress, no_progress, predict
from sparsekd.models import loading
from sparsekd.models.classifiers import labels_of
from sparsekd.stages import inputs
from sparsekd.stages.context import limit_threads
from sparsekd.tasks import TaskCard
from sparsekd.tasks.answers.chunks import RowChunks
from sparsekd.tasks.answers.writing import answers_frame
from sparsekd.tasks.cards import Kind
from sparsekd.tasks.splits import subsampled_rows

TRAINING, ALL = "training", "all"
PASSED_ON = ("row", "id")


@dataclass(frozen=True)
class Predictor:
    """A classifier, or a regression, and how it reads its texts.

    `labels` are the names of the classes or labels in the order of the outputs, none for a
    regression.
    """

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    labels: tuple[str, ...]
    kind: Kind
    max_length: int
    device: str = "cpu"

    @classmethod
    def load(
        cls, reference: str, card: TaskCard | None, max_length: int, device: str
    ) -> "Predictor":
        """Load a model; with a card its outputs have the order of the card's labels.

        Raises:
            Incompatible: its labels are those of another task.
        """
        if card is None:
            model, tokenizer = loading.load_saved(inputs.model_folder(reference))
            labels, kind = labels_of(model.config)
        else:
            model, tokenizer = inputs.load_classifier(reference, card)
            labels, kind = card.labels, card.kind
        limit_threads(model)
        return cls(model, tokenizer, labels, kind, max_length, device)

    def logits(self, texts: pd.DataFrame, on_progress: OnProgress = no_progress) -> Logits:
        """Return the logits of texts: one column, or two for pairs.

        Shapes: -> (N, C), N here the number of texts.
        """
        named = dict(zip(("text", "pair"), (texts[name] for name in texts), strict=False))
        frame = pd.DataFrame(named).assign(label=np.zeros(len(texts), dtype=np.int64))
        data = encode(frame, self.tokenizer, self.max_length)
        inputs.check_data(self.model, data)
        return predict(self.model, data, self.device, on_progress)


def of_rows(
    predictor: Predictor,
    rows: RowChunks,
    texts: Sequence[str],
    with_logits: bool,
    on_rows: Callable[[int], None] = lambda done: None,
) -> Iterator[pd.DataFrame]:
    """Yield the answers for the rows of a file or a stream, a frame for each chunk.

    A column `row` or `id` is passed on; other columns are not. `on_rows` receives the number of
    rows done after each batch.

    Raises:
        BadInput: a text is missing or empty.
    """
    passed = [name for name in PASSED_ON if name in rows.columns and name not in texts]
    done = 0
    for frame in rows.read([*passed, *texts]):
        _check(frame, texts, rows.name, done)
        start = done

        def on_progress(event: dict[str, int], start: int = start) -> None:
            on_rows(start + event["done"])

        logits = predictor.logits(frame[list(texts)], on_progress)
        yield answers_frame(frame, logits, predictor.labels, with_logits, predictor.kind)
        done += len(frame)


def _check(frame: pd.DataFrame, texts: Sequence[str], name: str, done: int) -> None:
    """Refuse what is no text; rows are counted from 1."""
    for column in texts:
        bad = [not (isinstance(each, str) and each.strip()) for each in frame[column]]
        if any(bad):
            row = done + bad.index(True) + 1
            raise BadInput(
                f"{name}, column {column}: no text in row {row}.",
                "Fill in these texts, or remove the rows.",
            )


def of_task(
    reference: str,
    card: TaskCard,
    split: str,
    params: TrainParams,
    device: str,
    with_logits: bool,
    on_progress: OnProgress = no_progress,
) -> Iterable[pd.DataFrame]:
    """Yield the answers for the texts of a task's split, of its training data, or of all splits.

    The training data are the splits train, with unlabelled texts, and selection. Columns `split`
    and `row`, counted from 0 in the file that the split was carved from, then the texts. Of the
    split train, logits are those that a student of this model learns from with the same `params`,
    bit for bit.

    Raises:
        NotFound: no such split.
    """
    names = ("train", "selection", *card.validation)
    several = {TRAINING: names[:2], ALL: names}
    if split not in (*names, *several):
        raise unknown("split", split, (*names, *several))
    frames = load(card, numbered=True)
    for name in several.get(split, (split,)):
        frame = frames[name]
        if name == "train":
            logits = inputs.training_logits(reference, card, params, device, on_progress)
            frame = frame.iloc[subsampled_rows(len(frame), params.train_examples)]
        else:
            model, tokenizer = inputs.load_classifier(reference, card)
            limit_threads(model)
            data = inputs.Splits(card, tokenizer, params.max_length)[name]
            logits = predict(model, data, device, on_progress)
        columns = dict(zip(("text", "pair"), card.text, strict=False))
        shown = frame.rename(columns=columns)[["row", *card.text]]
        shown.insert(0, "split", name)
        yield answers_frame(shown, logits, card.labels, with_logits, card.kind)
