"""One handler per kind of request. Masks are hooks that live as long as one request."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.data import Encoded
from sparsekd.data.tokens import readable_tokens
from sparsekd.errors import BadInput, NotFound, unknown
from sparsekd.inspector.protocol import (
    AttentionRequest,
    AttentionResponse,
    AttributionRequest,
    AttributionResponse,
    PackedMask,
    PredictionRequest,
    PredictionResponse,
    Request,
    Response,
    SampleRequest,
    SampleResponse,
    TextsRequest,
    TextsResponse,
    TopExamplesRequest,
    TopExamplesResponse,
    TopTokensRequest,
    TopTokensResponse,
)
from sparsekd.inspector.server import inputs
from sparsekd.inspector.server.model_cache import LoadedModel, ModelCache
from sparsekd.knowledge import activations, attribution
from sparsekd.knowledge.evaluation import predict
from sparsekd.models import architectures
from sparsekd.models.classifiers import labels_of
from sparsekd.models.gates import gated
from sparsekd.tasks.cards import Kind
from sparsekd.tasks.labels import label_values
from sparsekd.tasks.predictions import probabilities
from sparsekd.units.masking import Mask


def handle(request: Request, cache: ModelCache) -> Response:
    """Compute the response to a request.

    Raises:
        SparseKDError: the request does not fit the model, or the model's files are gone.
    """
    return HANDLERS[type(request)](request, cache)


def _prediction(request: PredictionRequest, cache: ModelCache) -> PredictionResponse:
    loaded = cache.model(request.model, request.task)
    example = inputs.tokenise(loaded, request.texts, request.max_length)
    with _masked(loaded, request.mask):
        (logits,) = predict(loaded.model, example.encoded, loaded.model.device)
    return PredictionResponse(**example.facts(), logits=logits)


def _attention(request: AttentionRequest, cache: ModelCache) -> AttentionResponse:
    loaded = cache.model(request.model, request.task)
    example = inputs.tokenise(loaded, request.texts, request.max_length)
    with _masked(loaded, request.mask):
        found, logits = activations.attention(loaded.model, example.batch)
    indices, heads = loaded.head_indices()
    return AttentionResponse(
        **example.facts(),
        attention=activations.attention_by_head(found, indices, heads),
        logits=logits[0].cpu().numpy(),
    )


def _attribution(request: AttributionRequest, cache: ModelCache) -> AttributionResponse:
    loaded = cache.model(request.model, request.task)
    example = inputs.tokenise(loaded, request.texts, request.max_length)
    baseline = attribution.masked_words(example.batch.input_ids, loaded.tokenizer)
    with _masked(loaded, request.mask):
        _, found = activations.attention(loaded.model, example.batch)
        logits = found[0].cpu().numpy()
        target = int(logits.argmax()) if request.target is None else request.target
        if target >= len(logits):
            raise NotFound(f"There is no class {target}.", f"The model has {len(logits)} classes.")
        values = attribution.of_tokens(loaded.model, example.batch, baseline, target)
    return AttributionResponse(**example.facts(), **vars(values), logits=logits, target=target)


def _top_tokens(request: TopTokensRequest, cache: ModelCache) -> TopTokensResponse:
    loaded = cache.model(request.model, request.task)
    _check_unit(loaded, "neuron", request.layer, 0)
    data = _first_examples(loaded, cache, request.split, request.examples, request.max_length)
    values, flat = activations.top_tokens(loaded.model, data, request.layer, request.top)
    rows = np.searchsorted(data.offsets, flat, side="right") - 1
    tokens = {
        str(row): readable_tokens(
            loaded.tokenizer, data.ids[data.offsets[row] : data.offsets[row + 1]].tolist()
        )
        for row in np.unique(rows)
    }
    return TopTokensResponse(values, rows, flat - data.offsets[rows], tokens, len(data))


def _top_examples(request: TopExamplesRequest, cache: ModelCache) -> TopExamplesResponse:
    loaded = cache.model(request.model, request.task)
    mask = _check_unit(loaded, request.unit, request.layer, request.index)
    data = _first_examples(loaded, cache, request.split, request.examples, request.max_length)
    key = f"{request.split} {len(data)} {request.max_length}"
    if key not in loaded.predictions:
        loaded.predictions[key] = predict(loaded.model, data)
    logits = loaded.predictions[key]
    (mask.heads if request.unit == "head" else mask.neurons)[request.layer, request.index] = 0
    with gated(loaded.model, mask):
        masked_logits = predict(loaded.model, data)
    change = prediction_change(logits, masked_logits, labels_of(loaded.model.config)[1])
    rows = np.argsort(-change, kind="stable")[: request.top]
    return TopExamplesResponse(
        rows=rows,
        change=change[rows],
        logits=logits[rows],
        masked_logits=masked_logits[rows],
        labels=data.labels[rows],
        texts=_texts(cache, request.task, request.split, rows),
        mean=float(change.mean()),
        examples=len(data),
    )


def prediction_change(before: NDArray[Any], after: NDArray[Any], kind: Kind) -> NDArray[np.float64]:
    """Return the distance between two predictions of each example.

    The total variation distance of the class probabilities, with several labels the largest of
    their two outcomes; of a regression the absolute change.

    Shapes: (N, C), (N, C) -> (N,), N here the number of examples.
    """
    if kind == "number":
        return np.asarray(np.abs(before.astype(np.float64) - after)[:, 0])
    moved = np.abs(probabilities(kind, before) - probabilities(kind, after))
    return np.asarray(moved.max(axis=1) if kind == "labels" else moved.sum(axis=1) / 2)


def _sample(request: SampleRequest, cache: ModelCache) -> SampleResponse:
    frame = _split(cache, request.task, request.split)
    count = min(request.examples, len(frame))
    rows = np.random.default_rng(request.seed).choice(len(frame), count, replace=False)
    labels = label_values(frame["label"])[rows]
    return SampleResponse(rows, labels, _texts(cache, request.task, request.split, rows))


def _all_texts(request: TextsRequest, cache: ModelCache) -> TextsResponse:
    frame = _split(cache, request.task, request.split)
    rows = np.arange(len(frame))
    texts = _texts(cache, request.task, request.split, rows)
    return TextsResponse(label_values(frame["label"]), texts)


# --- shared ----------------------------------------------------------------------------------


def _masked(loaded: LoadedModel, mask: PackedMask | None) -> AbstractContextManager[None]:
    return nullcontext() if mask is None else gated(loaded.model, mask.unpack())


def _check_unit(loaded: LoadedModel, unit: str, layer: int, index: int) -> Mask:
    """Check that the unit exists, and return a mask of the model that keeps every unit.

    Raises:
        NotFound: no such layer, head or neuron.
    """
    layers, heads, neurons = architectures.shape(loaded.model).grid()
    width = heads if unit == "head" else neurons
    if layer >= layers:
        raise NotFound(f"There is no layer {layer + 1}.", f"The model has {layers} layers.")
    if index >= width:
        raise NotFound(
            f"There is no {unit} {index + 1} in layer {layer + 1}.", f"It has {width} {unit}s."
        )
    return Mask.full((layers, heads, neurons))


def _first_examples(
    loaded: LoadedModel, cache: ModelCache, split: str, examples: int, max_length: int
) -> Encoded:
    """Return the first examples of a split, tokenised."""
    data = cache.splits(loaded, inputs.input_length(loaded, max_length))[split]
    if not len(data):
        raise BadInput(f"The {split} split is empty.", "Choose another split.")
    return data.select(np.arange(min(examples, len(data))))


def _split(cache: ModelCache, task: str, split: str) -> pd.DataFrame:
    """Return one split of a task.

    Raises:
        NotFound: the task has no such split.
    """
    splits = cache.texts(task)
    if split not in splits:
        raise unknown("split", split, splits)
    return splits[split]


def _texts(cache: ModelCache, task: str, split: str, rows: NDArray[np.int64]) -> list[list[str]]:
    frame = cache.texts(task)[split]
    columns = [name for name in ("text", "pair") if name in frame]
    return [[str(text) for text in row] for row in frame[columns].iloc[rows].to_numpy()]


HANDLERS: dict[type[Request], Callable[[Any, ModelCache], Response]] = {
    PredictionRequest: _prediction,
    AttentionRequest: _attention,
    AttributionRequest: _attribution,
    TopTokensRequest: _top_tokens,
    TopExamplesRequest: _top_examples,
    SampleRequest: _sample,
    TextsRequest: _all_texts,
}
