"""The inputs of stages: models by reference, tokenised splits and cached teacher logits."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sparsekd import checkpoints
from sparsekd.catalog.parameters import TrainParams
from sparsekd.checkpoints import classifier
from sparsekd.data import DEMO_TOKENIZERS, Encoded, description, encode, load
from sparsekd.errors import BadInput, Incompatible, unknown
from sparsekd.knowledge.evaluation import Logits, OnProgress, no_progress, predict
from sparsekd.models import architectures, loading, students
from sparsekd.models.classifiers import fit_classifier, labels_of, name_labels, output_order
from sparsekd.runs import answer_files, overlaps, references, store
from sparsekd.runs.model_checks import too_long
from sparsekd.stages.context import StageContext, limit_threads
from sparsekd.system.files import atomic_write
from sparsekd.tasks import TaskCard
from sparsekd.tasks.answers.matching import logits_for
from sparsekd.tasks.demo import DEMO_CHECKPOINTS, DEMO_TEACHERS
from sparsekd.tasks.splits import subsampled_rows

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


@dataclass(frozen=True)
class Splits:
    """The splits of a task in the tokens of one tokenizer, cached on disk per store."""

    card: TaskCard
    tokenizer: PreTrainedTokenizerBase
    max_length: int

    @cached_property
    def frames(self) -> dict[str, pd.DataFrame]:
        """Load the texts, needed only for a split that is not tokenised yet.

        Their overlap with training is kept beside the tokens.
        """
        frames = load(self.card)
        if overlaps.known(self.card) is None:
            overlaps.keep(self.card, frames)
        return frames

    @cached_property
    def key(self) -> str:
        """Return the cache key: a hash of task, tokenizer and length."""
        words = description(self.tokenizer)
        parts = [json.dumps(self.card.to_json(), sort_keys=True), words, str(self.max_length)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def __getitem__(self, split: str) -> Encoded:
        known = ("train", "selection", *self.card.validation)
        if split not in known:
            raise unknown("split", split, known)
        path = store.home() / "cache" / "tokens" / f"{self.key}-{split}.npz"
        if path.exists():
            return Encoded.load(path)
        encoded = encode(self.frames[split], self.tokenizer, self.max_length)
        path.parent.mkdir(parents=True, exist_ok=True)
        encoded.save(path)
        return encoded


def load_pretrained(reference: str, card: TaskCard, seed: int) -> Loaded:
    """Load a model to fine-tune: a demo model, a local checkpoint, a hub id, or a run's model."""
    if reference in DEMO_CHECKPOINTS:
        return _demo_model(reference, card, seed)
    return loading.load(str(model_folder(reference)), card.labels, card.kind, seed)


def model_folder(reference: str) -> Path:
    """Return the folder of a referenced model, downloaded from the hub if necessary."""
    kind, _, rest = reference.partition(":")
    return checkpoints.locate(rest) if kind == "hub" else references.folder(reference)


def _demo_model(reference: str, card: TaskCard, seed: int) -> Loaded:
    settings = DEMO_TEACHERS[reference]
    tokenizer = DEMO_TOKENIZERS[settings["tokenizer"]]()
    model = students.untrained(
        **{name: each for name, each in settings.items() if name not in ("train", "tokenizer")},
        vocabulary=len(tokenizer),
        labels=card.labels,
        kind=card.kind,
        seed=seed,
    )
    return model, tokenizer


def load_classifier(reference: str, card: TaskCard, label_order: Sequence[str] = ()) -> Loaded:
    """Load a classifier that was fine-tuned on this task.

    Args:
        label_order: The labels of its outputs in their order, where they have no names.

    Raises:
        Incompatible: its labels are those of another task.
        BadInput: the order does not name the task's labels, or the outputs have names.
    """
    model, tokenizer = loading.load_saved(model_folder(reference))
    if label_order:
        known = classifier.ordered(labels_of(model.config)[0], label_order, card)
        name_labels(model, known, card.kind)
    if output_order(model.config, card.labels, card.kind) is None:
        name = reference.split("#")[0]
        raise classifier.other_labels(name, *labels_of(model.config), card)
    fit_classifier(model, card.labels, card.kind, 0, fresh=False)
    return model, tokenizer


def load_inner_teachers(
    names: list[str], card: TaskCard, tokenizer: PreTrainedTokenizerBase
) -> list[PreTrainedModel]:
    """Load teachers whose internal states are distilled: they must read the student's tokens.

    Raises:
        Incompatible: one of them has another vocabulary than `tokenizer`.
    """
    teachers = []
    for name in names:
        teacher, own = load_classifier(name, card)
        if own.get_vocab() != tokenizer.get_vocab():
            raise Incompatible(
                f"The teacher {name.split('#')[0]} has another tokenizer than the student: the "
                "method compares their layers token by token.",
                "Choose a student with the teacher's tokenizer, or a method that meets its teacher "
                "in the logits alone: vanilla, teacher_selection.",
            )
        teachers.append(teacher)
    return teachers


def check_length(model: PreTrainedModel, splits: Splits) -> None:
    """Check that a model has positions for every text of a task.

    Raises:
        Incompatible: a text is longer.
    """
    if splits.max_length > architectures.max_tokens(model):
        for split in ("train", "selection", *splits.card.validation):
            check_data(model, splits[split])


def check_data(model: PreTrainedModel, data: Encoded) -> None:
    """Check that a model has positions for every text.

    Raises:
        Incompatible: a text is longer.
    """
    longest, most = int(data.lengths.max(initial=0)), architectures.max_tokens(model)
    if longest > most:
        raise too_long(longest, most)


def subsample(encoded: Encoded, examples: int) -> Encoded:
    """Return `examples` rows drawn by seed 0, the same for every run; all of them for 0."""
    return encoded.select(subsampled_rows(len(encoded), examples)) if examples else encoded


def teacher_logits(
    context: StageContext,
    reference: str,
    card: TaskCard,
    params: TrainParams,
    split: str = "train",
) -> Logits:
    """Return the teacher's logits of a split, computed once and cached on disk.

    Of the training examples, those that the parameters draw.

    Shapes: -> (N, C), N here the number of examples.
    """
    on_progress = context.progress_callback("teacher's logits")
    return training_logits(reference, card, params, context.device, on_progress, split)


def training_logits(
    reference: str,
    card: TaskCard,
    params: TrainParams,
    device: str,
    on_progress: OnProgress = no_progress,
    split: str = "train",
) -> Logits:
    """Return a teacher's logits of a split, of the training examples those that `params` draw.

    Cached on disk. The teacher is a model, or a file of answers.

    Shapes: -> (N, C), N here the number of examples.

    Raises:
        BadInput: a file of answers does not fit the examples.
    """
    examples = params.train_examples if split == "train" else 0
    parts = [reference, json.dumps(card.to_json()), params.max_length, examples]
    parts += [split] if split != "train" else []
    name = hashlib.sha256("|".join(str(part) for part in parts).encode()).hexdigest()[:16]
    path = store.home() / "cache" / "logits" / f"{name}.npy"
    if path.exists():
        return load_array(path)
    if answer_files.is_answers(reference):
        logits = _answered(reference, card, params, split)
    else:
        model, tokenizer = load_classifier(reference, card)
        limit_threads(model)
        splits = Splits(card, tokenizer, params.max_length)
        check_length(model, splits)
        data = subsample(splits[split], examples)
        logits = predict(model, data, device, on_progress)
    save_array(path, logits)
    return load_array(path)


def _answered(reference: str, card: TaskCard, params: TrainParams, split: str) -> Logits:
    """Return the logits that a file of answers has for the examples of a split."""
    wanted = load(card, numbered=True)[split]
    rows = subsampled_rows(len(wanted), params.train_examples if split == "train" else 0)
    return logits_for(answer_files.locate(reference), card, wanted.iloc[rows])


def load_teacher(context: StageContext) -> tuple[PreTrainedModel, Splits]:
    """Load the recipe's teacher, and the task's splits in the teacher's tokens."""
    recipe = context.recipe
    context.report("loading", 0, 1, now=True)
    card = references.card(recipe.task)
    teacher, tokenizer = load_classifier(recipe.inputs["teacher"], card)
    limit_threads(teacher)
    splits = Splits(card, tokenizer, recipe.params["max_length"])
    check_length(teacher, splits)
    return teacher, splits


def student_logits(
    context: StageContext, splits: Splits, split: str, rows: np.ndarray | None = None
) -> np.ndarray:
    """Return the logits of the recipe's student, from the files of its run where it left them.

    Shapes: rows (N,), or None for the whole split -> (N, C), N here the number of examples.
    """
    reference = context.recipe.inputs["student"]
    saved = saved_logits(reference, splits, split)
    if saved is not None:
        logits = load_array(saved)
        return logits if rows is None else logits[rows]
    student, tokenizer = load_classifier(reference, splits.card)
    data = Splits(splits.card, tokenizer, splits.max_length)[split]
    data = data if rows is None else data.select(rows)
    return predict(student, data, context.device, context.progress_callback("student's logits"))


def saved_logits(reference: str, splits: Splits, split: str) -> Path | None:
    """Return the file of a run's logits on the same task at the same length; None without one."""
    if ":" in reference:
        return None
    recipe = store.get(reference).recipe
    length = recipe.params.get("max_length") or recipe.params["train"]["max_length"]
    path = store.folder(reference) / f"logits-{split}.npy"
    same = (recipe.task, length) == (splits.card.name, splits.max_length)
    return path if same and path.exists() else None


def save_array(path: Path, values: np.ndarray) -> None:
    """Write an npy file atomically."""

    def write(beside: Path) -> None:
        with beside.open("wb") as stream:
            np.save(stream, values, allow_pickle=False)

    atomic_write(path, write)


def load_array(path: Path) -> np.ndarray:
    """Map an npy file into memory: its pages are read when they are used, changes stay here.

    Raises:
        BadInput: it is damaged.
    """
    try:
        values: np.ndarray = np.load(path, mmap_mode="c", allow_pickle=False)
        return values
    except (ValueError, EOFError) as error:
        raise BadInput(f"{path} is damaged.", "Delete it; it will be made again.") from error
