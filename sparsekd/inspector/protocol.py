"""What a page may ask of a model, and what it is told: plain data, checked on both sides.

Questions travel as JSON, answers as npz files; neither needs torch.
"""

import base64
import hashlib
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sparsekd.catalog.parameters import Params
from sparsekd.errors import BadInput, unknown
from sparsekd.system.arrays import load_arrays, save_arrays
from sparsekd.units.masking import Mask

Array = NDArray[Any]
VERSION = 1
LONGEST = 200_000  # characters of one text: some 30 000 words

Text = Annotated[str, Field(max_length=LONGEST)]
Name = Annotated[str, Field(min_length=1, max_length=4096)]
Place = Annotated[int, Field(ge=0, le=1_000_000)]
Length = Annotated[int, Field(ge=4, le=8192)]


class Closed(Params):
    """A mask on its way to a model: its booleans, packed.

    Shapes: heads (L, H), neurons (L, F) with (L, H, F) in `shape`.
    """

    shape: tuple[int, int, int]
    heads: str
    neurons: str

    @classmethod
    def of_mask(cls, mask: Mask) -> Self:
        """Pack a mask."""
        packed = [
            base64.b64encode(np.packbits(each).tobytes()).decode()
            for each in (mask.heads, mask.neurons)
        ]
        return cls(shape=mask.shape, heads=packed[0], neurons=packed[1])

    def mask(self) -> Mask:
        """Unpack it.

        Raises:
            BadInput: the bits do not fill the shape.
        """
        layers, heads, neurons = self.shape
        return Mask(_bits(self.heads, layers, heads), _bits(self.neurons, layers, neurons))


def _bits(text: str, layers: int, units: int) -> NDArray[np.bool_]:
    try:
        content = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    except ValueError as error:
        raise BadInput("The packed mask is no base64.") from error
    if len(content) != -(-layers * units // 8):
        raise BadInput(f"{len(content)} bytes are no mask of {layers} × {units} units.")
    flat = np.unpackbits(content, count=layers * units)
    return flat.astype(bool).reshape(layers, units)


# --- questions -------------------------------------------------------------------------------


class Question(Params):
    """Something that needs a model; two equal questions have one answer."""

    kind: ClassVar[str]
    task: Name

    def to_json(self) -> str:
        """Canonical text."""
        return json.dumps({"kind": self.kind} | self.values(), sort_keys=True)

    def key(self, stamps: tuple[str, ...] = ()) -> str:
        """Names the answer; `stamps` tell one state of the models asked about from another."""
        parts = [str(VERSION), self.to_json(), *stamps]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]

    @property
    def models(self) -> tuple[str, ...]:
        """References of the models that it is about."""
        model = getattr(self, "model", "")
        return (model,) if model else ()


class OfText(Question):
    """About one example, of one text or two, through one model, whole or masked."""

    model: Name
    texts: tuple[Text, ...] = Field(min_length=1, max_length=2)
    closed: Closed | None = None
    max_length: Length = 128


class Attention(OfText):
    """Where every head looks."""

    kind = "attention"


class Attribution(OfText):
    """What each token contributed to the log-odds of a class; None: the likeliest."""

    kind = "attribution"
    target: Place | None = None


class Strongest(Question):
    """The tokens to which the neurons of a layer answer most."""

    kind = "strongest"
    model: Name
    split: Name = "selection"
    layer: Place
    examples: int = Field(256, ge=1, le=4096)
    most: int = Field(20, ge=1, le=100)
    max_length: Length = 128


class Weightiest(Question):
    """The examples whose answer changes most when one unit is closed."""

    kind = "weightiest"
    model: Name
    split: Name = "selection"
    unit: Literal["head", "neuron"]
    layer: Place
    index: Place
    examples: int = Field(256, ge=1, le=4096)
    most: int = Field(10, ge=1, le=100)
    max_length: Length = 128


class Drawn(Question):
    """Some examples of a split, drawn by a seed."""

    kind = "drawn"
    split: Name = "selection"
    examples: int = Field(10, ge=1, le=100)
    seed: int = Field(0, ge=0, le=2**31)


QUESTIONS: dict[str, type[Question]] = {
    each.kind: each
    for each in (Attention, Attribution, Strongest, Weightiest, Drawn)
}  # fmt: skip


def parse(text: str) -> Question:
    """The question in a JSON text.

    Raises:
        BadInput: no JSON object, or values out of range; NotFound: no such kind of question.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise BadInput("The question is no JSON.") from error
    if not isinstance(values, dict):
        raise BadInput("The question is no JSON object.")
    kind = str(values.pop("kind", ""))
    if kind not in QUESTIONS:
        raise unknown("kind of question", kind, QUESTIONS)
    return QUESTIONS[kind].of(values)


# --- answers ---------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Answer:
    """What a model told: arrays, and facts that JSON can hold."""

    def save(self, path: Path) -> None:
        """Write it to an npz file, whole or not at all."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        arrays = {name: each for name, each in values.items() if isinstance(each, np.ndarray)}
        facts = {name: each for name, each in values.items() if name not in arrays}
        save_arrays(path, arrays | {"facts": np.array(json.dumps(facts))})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            NotFound: there is no such file; BadInput: it holds another answer, or is damaged.
        """
        names = tuple(field.name for field in fields(cls))
        found = load_arrays(path, ("facts",), "a kept answer", names)
        facts = json.loads(str(found.pop("facts")))
        if set(found) | set(facts) != set(names):
            raise BadInput(f"{path} is no answer of this kind.", "Delete it and ask again.")
        return cls(**facts, **found)


@dataclass(frozen=True, eq=False)
class Read(Answer):
    """How a model read a text: its tokens, those that are special, what was cut or unknown."""

    tokens: list[str]
    special: list[bool]
    cut: int
    unknown: int


@dataclass(frozen=True, eq=False)
class Attended(Read):
    """Where every head looked; NaN where a layer has lost a head.

    Shapes: attention (L, H, T, T), logits (C,).
    """

    attention: NDArray[np.float32]
    logits: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Attributed(Read):
    """What each token moved; `delta` is what the sum exceeds or lacks.

    `output` and `start` are log-odds of class `target` for the text, and for the text with every
    word masked; for a regression the numbers themselves.

    Shapes: values (T,), logits (C,).
    """

    values: NDArray[np.float64]
    logits: NDArray[np.float32]
    target: int
    output: float
    start: float
    delta: float
    steps: int


@dataclass(frozen=True, eq=False)
class Activated(Answer):
    """Where each neuron of a layer is most active: rows and tokens of the examples looked at.

    `read` holds the tokens of each example that occurs, by its row.

    Shapes: values, rows, places (F, K).
    """

    values: NDArray[np.float32]
    rows: NDArray[np.int64]
    places: NDArray[np.int64]
    read: dict[str, list[str]]
    examples: int


@dataclass(frozen=True, eq=False)
class Weighed(Answer):
    """Examples by how much closing a unit changes the answer, the most changed first.

    `change` is half the summed change of the class probabilities (0–1), for a regression the
    absolute change of the number.

    Shapes: rows, change (K,), whole, without (K, C) logits, mean () over all examples looked at.
    """

    rows: NDArray[np.int64]
    change: NDArray[np.float64]
    whole: NDArray[np.float32]
    without: NDArray[np.float32]
    labels: NDArray[Any]
    texts: list[list[str]]
    mean: float
    examples: int


@dataclass(frozen=True, eq=False)
class Examples(Answer):
    """Texts with their labels.

    Shapes: rows, labels (K,).
    """

    rows: NDArray[np.int64]
    labels: NDArray[Any]
    texts: list[list[str]]


ANSWERS: dict[str, type[Answer]] = {
    "attention": Attended,
    "attribution": Attributed,
    "strongest": Activated,
    "weightiest": Weighed,
    "drawn": Examples,
}


# --- in words --------------------------------------------------------------------------------


def habits(seen: Attended, layer: int, head: int) -> dict[str, float]:
    """Where a head looks from the words of a text: shares of its attention, 1 in all.

    Shapes: -> special tokens, itself, the token before, the token after, elsewhere.
    """
    rows = seen.attention[layer, head].astype(np.float64)
    special = np.array(seen.special)
    words = np.flatnonzero(~special)
    names = ("special tokens", "itself", "the token before", "the token after", "elsewhere")
    if not len(words):
        return dict.fromkeys(names, float("nan"))
    own = rows[words]
    of_special = own[:, special].sum(axis=1)

    def beside(step: int) -> NDArray[np.float64]:
        there = words + step
        inside = (there >= 0) & (there < len(special))
        safe = np.where(inside, there, words)
        return np.where(inside & ~special[safe], rows[words, safe], 0.0)

    near = [beside(0), beside(-1), beside(1)]
    rest = own.sum(axis=1) - of_special - sum(near)
    shares = (of_special, *near, rest)
    return {name: float(each.mean()) for name, each in zip(names, shares, strict=True)}
