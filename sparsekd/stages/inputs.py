"""What stages start from: models by reference, tokens and teacher logits, made once and kept."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sparsekd.catalog.parameters import TrainParams
from sparsekd.data import Encoded, demo_piece_tokenizer, demo_tokenizer, encode, load
from sparsekd.errors import BadInput, Incompatible, unknown
from sparsekd.knowledge.evaluation import Logits, predict
from sparsekd.models import checkpoints, loading, students
from sparsekd.models.classifiers import answers, fit_classifier, labels_of
from sparsekd.runs import references, store
from sparsekd.stages.context import Desk
from sparsekd.system.files import replace
from sparsekd.tasks import TaskCard
from sparsekd.tasks.demo import DEMO_CHECKPOINTS, DEMO_DISTILBERT, DEMO_TEACHERS

Loaded = tuple[PreTrainedModel, PreTrainedTokenizerBase]


@dataclass(frozen=True)
class Splits:
    """One task's splits in one tokenizer's tokens; each is tokenised once for this store."""

    card: TaskCard
    tokenizer: PreTrainedTokenizerBase
    max_length: int

    @cached_property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The texts, read only where some split is not tokenised yet."""
        return load(self.card)

    @cached_property
    def key(self) -> str:
        """Names what the tokens depend on: task, tokenizer, length."""
        words = self.tokenizer.backend_tokenizer.to_str()
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


def checkpoint(reference: str, card: TaskCard, seed: int) -> Loaded:
    """A model to fine-tune: a demo model, a local checkpoint, a hub id, or a finished run's."""
    if reference in DEMO_CHECKPOINTS:
        return _demo(reference, card, seed)
    return loading.load(str(place(reference)), card.labels, card.regression, seed)


def place(reference: str) -> Path:
    """The folder of the model behind a stored reference, fetched from the hub where need be."""
    kind, _, rest = reference.partition(":")
    return checkpoints.locate(rest) if kind == "hub" else references.folder(reference)


def _demo(reference: str, card: TaskCard, seed: int) -> Loaded:
    in_pieces = reference == DEMO_DISTILBERT
    tokenizer = demo_piece_tokenizer() if in_pieces else demo_tokenizer()
    shape = {name: value for name, value in DEMO_TEACHERS[reference].items() if name != "train"}
    model = students.untrained(
        "distilbert" if in_pieces else "bert",
        **shape,
        vocabulary=len(tokenizer),
        labels=card.labels,
        regression=card.regression,
        seed=seed,
    )
    return model, tokenizer


def trained(reference: str, card: TaskCard) -> Loaded:
    """A finished classifier of this task.

    Raises:
        Incompatible: it answers another question.
    """
    model, tokenizer = loading.load_saved(place(reference))
    if answers(model.config, card.labels, card.regression) is None:
        labels, _ = labels_of(model.config)
        theirs = ", ".join(labels) or "a number"
        ours = "a number" if card.regression else ", ".join(card.labels)
        raise Incompatible(
            f"The model {reference.split('#')[0]} answers {theirs}; {card.name} asks for {ours}.",
            "Choose a model that was fine-tuned on this task.",
        )
    fit_classifier(model, card.labels, card.regression, 0, fresh=False)
    return model, tokenizer


def readable(
    names: list[str], card: TaskCard, tokenizer: PreTrainedTokenizerBase
) -> list[PreTrainedModel]:
    """Teachers to look inside: they must read the very tokens that the student reads.

    Raises:
        Incompatible: one reads text through another tokenizer.
    """
    found = []
    for name in names:
        teacher, own = trained(name, card)
        if own.get_vocab() != tokenizer.get_vocab():
            raise Incompatible(
                f"The teacher {name.split('#')[0]} reads text through another tokenizer than the "
                "student, so their tokens cannot be compared.",
                "Choose a teacher of the student's family, or a method that compares logits.",
            )
        found.append(teacher)
    return found


def some(encoded: Encoded, examples: int) -> Encoded:
    """The same `examples` rows for everyone, drawn by seed 0; 0 means all."""
    return encoded.select(drawn(len(encoded), examples)) if examples else encoded


def drawn(rows: int, examples: int) -> np.ndarray:
    """Which rows those are, in the data's order.

    Shapes: -> (min(rows, examples),), or all rows where `examples` is 0.
    """
    if not examples or examples >= rows:
        return np.arange(rows)
    return np.sort(np.random.default_rng(0).choice(rows, examples, replace=False))


def teacher_logits(reference: str, card: TaskCard, params: TrainParams, desk: Desk) -> Logits:
    """The teacher's answer to each training example, computed once per teacher and kept.

    Shapes: -> (N, C), N here the number of training examples.
    """
    parts = [reference, json.dumps(card.to_json()), params.max_length, params.train_examples]
    name = hashlib.sha256("|".join(str(part) for part in parts).encode()).hexdigest()[:16]
    path = store.home() / "cache" / "logits" / f"{name}.npy"
    if path.exists():
        return load_array(path)
    model, tokenizer = trained(reference, card)
    data = some(Splits(card, tokenizer, params.max_length)["train"], params.train_examples)
    logits = predict(model, data, desk.device, passing(desk, "teacher's answers"))
    save_array(path, logits)
    return logits


def passing(desk: Desk, phase: str) -> Callable[[dict[str, float]], None]:
    """A listener for one pass over data, which can be stopped and then starts over."""

    def hear(event: dict[str, float]) -> None:
        desk.report(
            phase,
            int(event["done"]),
            int(event["total"]),
            examples_per_second=event["examples_per_second"],
            eta=event["eta"],
        )
        desk.check()

    return hear


def save_array(path: Path, values: np.ndarray) -> None:
    """One npy file, whole or not at all."""

    def write(beside: Path) -> None:
        with beside.open("wb") as stream:
            np.save(stream, values, allow_pickle=False)

    replace(path, write)


def load_array(path: Path) -> np.ndarray:
    try:
        values: np.ndarray = np.load(path, allow_pickle=False)
        return values
    except (ValueError, EOFError) as error:
        raise BadInput(f"{path} is damaged.", "Delete it; it will be made again.") from error
