"""Requests to the inspector and its responses: plain data, validated on both sides.

Requests travel as JSON, responses as npz files; neither needs torch.
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

VERSION = 2
MAX_CHARACTERS = 200_000  # of one text: some 30 000 words

Text = Annotated[str, Field(max_length=MAX_CHARACTERS)]
Name = Annotated[str, Field(min_length=1, max_length=4096)]
Index = Annotated[int, Field(ge=0, le=1_000_000)]
Length = Annotated[int, Field(ge=4, le=8192)]


class PackedMask(Params):
    """A mask as text: its booleans packed into bits, in base64.

    Shapes: heads (L, H), neurons (L, F) with (L, H, F) in `shape`.
    """

    shape: tuple[int, int, int]
    heads: str
    neurons: str

    @classmethod
    def pack(cls, mask: Mask) -> Self:
        """Pack a mask."""
        packed = [
            base64.b64encode(np.packbits(each).tobytes()).decode()
            for each in (mask.heads, mask.neurons)
        ]
        return cls(shape=mask.shape, heads=packed[0], neurons=packed[1])

    def unpack(self) -> Mask:
        """Unpack the mask.

        Raises:
            BadInput: the bits do not fill the shape.
        """
        layers, heads, neurons = self.shape
        return Mask(_bits(self.heads, layers, heads), _bits(self.neurons, layers, neurons))


def _bits(text: str, layers: int, units: int) -> NDArray[np.bool_]:
    try:
        content = np.frombuffer(base64.b64decode(text, validate=True), dtype=np.uint8)
    except ValueError as error:
        raise BadInput("The packed mask is not valid base64.") from error
    if len(content) != -(-layers * units // 8):
        raise BadInput(f"A packed mask of {layers} × {units} units cannot be {len(content)} bytes.")
    flat = np.unpackbits(content, count=layers * units)
    return flat.astype(bool).reshape(layers, units)


# --- responses -------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Response:
    """The result of a request: arrays, and values that JSON can hold."""

    def save(self, path: Path) -> None:
        """Write the response to an npz file atomically."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        arrays = {name: each for name, each in values.items() if isinstance(each, np.ndarray)}
        facts = {name: each for name, each in values.items() if name not in arrays}
        save_arrays(path, arrays | {"facts": np.array(json.dumps(facts))})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a response that `save` wrote.

        Raises:
            NotFound: no such file.
            BadInput: a damaged file, or one with another kind of response.
        """
        names = tuple(field.name for field in fields(cls))
        found = load_arrays(path, ("facts",), "a cached response", names)
        facts = json.loads(str(found.pop("facts")))
        if set(found) | set(facts) != set(names):
            raise BadInput(f"{path} is not a {cls.__name__}.", "Delete the file and try again.")
        return cls(**facts, **found)


@dataclass(frozen=True, eq=False)
class TokenisedResponse(Response):
    """A response on one text: its tokens, which of them are special, cut off or unknown.

    `cut` and `unknown` are counts.
    """

    tokens: list[str]
    special: list[bool]
    cut: int
    unknown: int


@dataclass(frozen=True, eq=False)
class PredictionResponse(TokenisedResponse):
    """A model's logits for one example. Shapes: logits (C,)."""

    logits: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class AttentionResponse(TokenisedResponse):
    """Attention probabilities of every head; NaN for heads that a pruned layer has lost.

    Shapes: attention (L, H, T, T), logits (C,).
    """

    attention: NDArray[np.float32]
    logits: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class AttributionResponse(TokenisedResponse):
    """Each token's contribution; `delta` is the sum's excess over `output` − `start`.

    `output` and `start` are log-odds of class or label `target` for the text, and for the text
    with every word masked; for a regression the predicted numbers.

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
class TopTokensResponse(Response):
    """The tokens at which each neuron of a layer is most active: example rows and positions.

    `tokens` holds the tokens of each example that occurs, by its row.

    Shapes: values, rows, positions (F, K).
    """

    values: NDArray[np.float32]
    rows: NDArray[np.int64]
    positions: NDArray[np.int64]
    tokens: dict[str, list[str]]
    examples: int


@dataclass(frozen=True, eq=False)
class TopExamplesResponse(Response):
    """Examples by how much masking a unit changes the prediction, most changed first.

    `change` is the total variation distance of the class probabilities (0–1), with several labels
    the largest change of a probability, for a regression that of the prediction; `mean` is its mean
    over all `examples`.

    Shapes: rows, change (K,), logits, masked_logits (K, C).
    """

    rows: NDArray[np.int64]
    change: NDArray[np.float64]
    logits: NDArray[np.float32]
    masked_logits: NDArray[np.float32]
    labels: NDArray[Any]
    texts: list[list[str]]
    mean: float
    examples: int


@dataclass(frozen=True, eq=False)
class SampleResponse(Response):
    """Examples with their labels.

    Shapes: rows, labels (K,).
    """

    rows: NDArray[np.int64]
    labels: NDArray[Any]
    texts: list[list[str]]


@dataclass(frozen=True, eq=False)
class TextsResponse(Response):
    """All examples of a split, in the order of the data.

    Shapes: labels (N,).
    """

    labels: NDArray[Any]
    texts: list[list[str]]


# --- requests --------------------------------------------------------------------------------


class Request(Params):
    """A computation that needs a model; equal requests have the same response."""

    kind: ClassVar[str]
    response: ClassVar[type[Response]]
    task: Name

    def to_json(self) -> str:
        """Return the canonical JSON text."""
        return json.dumps({"kind": self.kind} | self.values(), sort_keys=True)

    def key(self, fingerprints: tuple[str, ...] = ()) -> str:
        """Return the cache key of the response.

        Args:
            fingerprints: One of each model's weights, so that new weights mean a new key.
        """
        parts = [str(VERSION), self.to_json(), *fingerprints]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:24]

    @property
    def models(self) -> tuple[str, ...]:
        """References of the models that the request needs."""
        model = getattr(self, "model", "")
        return (model,) if model else ()


class TextRequest(Request):
    """A request on one example, of one text or two, through one model, masked or not."""

    model: Name
    texts: tuple[Text, ...] = Field(min_length=1, max_length=2)
    mask: PackedMask | None = None
    max_length: Length = 128


class PredictionRequest(TextRequest):
    """A request for the logits of one example."""

    kind = "prediction"
    response = PredictionResponse


class AttentionRequest(TextRequest):
    """A request for the attention probabilities of every head."""

    kind = "attention"
    response = AttentionResponse


class AttributionRequest(TextRequest):
    """A request for each token's contribution to the log-odds of a class.

    A `target` of None means the predicted class.
    """

    kind = "attribution"
    response = AttributionResponse
    target: Index | None = None


class TopTokensRequest(Request):
    """A request for the tokens at which each neuron of a layer is most active."""

    kind = "top_tokens"
    response = TopTokensResponse
    model: Name
    split: Name = "selection"
    layer: Index
    examples: int = Field(256, ge=1, le=4096)
    top: int = Field(20, ge=1, le=100)
    max_length: Length = 128


class TopExamplesRequest(Request):
    """A request for the examples whose prediction changes most when one unit is masked."""

    kind = "top_examples"
    response = TopExamplesResponse
    model: Name
    split: Name = "selection"
    unit: Literal["head", "neuron"]
    layer: Index
    index: Index
    examples: int = Field(256, ge=1, le=4096)
    top: int = Field(10, ge=1, le=100)
    max_length: Length = 128


class SampleRequest(Request):
    """A request for random examples of a split."""

    kind = "sample"
    response = SampleResponse
    split: Name = "selection"
    examples: int = Field(10, ge=1, le=100)
    seed: int = Field(0, ge=0, le=2**31)


class TextsRequest(Request):
    """A request for all examples of a split."""

    kind = "texts"
    response = TextsResponse
    split: Name = "validation"


REQUESTS: dict[str, type[Request]] = {
    request.kind: request
    for request in (
        PredictionRequest,
        AttentionRequest,
        AttributionRequest,
        TopTokensRequest,
        TopExamplesRequest,
        SampleRequest,
        TextsRequest,
    )
}


def parse(text: str) -> Request:
    """Read a request from its JSON text.

    Raises:
        BadInput: not a JSON object, or values out of range.
        NotFound: an unknown kind of request.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise BadInput("The request is not valid JSON.") from error
    if not isinstance(values, dict):
        raise BadInput("The request is not a JSON object.")
    kind = str(values.pop("kind", ""))
    if kind not in REQUESTS:
        raise unknown("kind of request", kind, REQUESTS)
    return REQUESTS[kind].of(values)
