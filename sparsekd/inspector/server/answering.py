"""From a question to its answer. Masks are hooks that live as long as one answer takes."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from sparsekd.data import Encoded
from sparsekd.errors import BadInput, NotFound, unknown
from sparsekd.inspector.protocol import (
    Activated,
    Answer,
    Attended,
    Attention,
    Attributed,
    Attribution,
    Closed,
    Drawn,
    Examples,
    Question,
    Strongest,
    Weighed,
    Weightiest,
)
from sparsekd.inspector.server import reading
from sparsekd.inspector.server.model_cache import Shelf, Warm
from sparsekd.knowledge import attending, attribution
from sparsekd.knowledge.evaluation import predict
from sparsekd.models import architectures
from sparsekd.models.gates import gated
from sparsekd.units.masking import Mask


def answer(question: Question, shelf: Shelf) -> Answer:
    """What the models say.

    Raises:
        SparseKDError: the question does not fit the model, or its files are gone.
    """
    return ANSWERERS[type(question)](question, shelf)


def _attention(question: Attention, shelf: Shelf) -> Attended:
    warm = shelf.model(question.model, question.task)
    seen = reading.read(warm, question.texts, question.max_length)
    with _closed(warm, question.closed):
        found, logits = attending.attention(warm.model, seen.batch)
    places, heads = warm.places()
    return Attended(
        **seen.facts(),
        attention=attending.by_unit(found, places, heads),
        logits=logits[0].cpu().numpy(),
    )


def _attribution(question: Attribution, shelf: Shelf) -> Attributed:
    warm = shelf.model(question.model, question.task)
    seen = reading.read(warm, question.texts, question.max_length)
    baseline = attribution.masked_words(seen.batch.input_ids, warm.tokenizer)
    with _closed(warm, question.closed):
        _, found = attending.attention(warm.model, seen.batch)
        logits = found[0].cpu().numpy()
        target = int(logits.argmax()) if question.target is None else question.target
        if target >= len(logits):
            raise NotFound(f"There is no class {target}.", f"The model knows {len(logits)}.")
        values = attribution.of_tokens(warm.model, seen.batch, baseline, target)
    return Attributed(**seen.facts(), **vars(values), logits=logits, target=target)


def _strongest(question: Strongest, shelf: Shelf) -> Activated:
    warm = shelf.model(question.model, question.task)
    _check_unit(warm, "neuron", question.layer, 0)
    data = _some(warm, shelf, question.split, question.examples, question.max_length)
    values, flat = attending.strongest(warm.model, data, question.layer, question.most)
    rows = np.searchsorted(data.offsets, flat, side="right") - 1
    read = {
        str(row): reading.names(
            warm.tokenizer, data.ids[data.offsets[row] : data.offsets[row + 1]].tolist()
        )
        for row in np.unique(rows)
    }
    return Activated(values, rows, flat - data.offsets[rows], read, len(data))


def _weightiest(question: Weightiest, shelf: Shelf) -> Weighed:
    warm = shelf.model(question.model, question.task)
    mask = _check_unit(warm, question.unit, question.layer, question.index)
    data = _some(warm, shelf, question.split, question.examples, question.max_length)
    name = f"{question.split} {len(data)} {question.max_length}"
    if name not in warm.known:
        warm.known[name] = predict(warm.model, data)
    whole = warm.known[name]
    (mask.heads if question.unit == "head" else mask.neurons)[question.layer, question.index] = 0
    with gated(warm.model, mask):
        without = predict(warm.model, data)
    change = changes(whole, without)
    rows = np.argsort(-change, kind="stable")[: question.most]
    return Weighed(
        rows=rows,
        change=change[rows],
        whole=whole[rows],
        without=without[rows],
        labels=data.labels[rows],
        texts=_texts(shelf, question.task, question.split, rows),
        mean=float(change.mean()),
        examples=len(data),
    )


def changes(before: NDArray[Any], after: NDArray[Any]) -> NDArray[np.float64]:
    """How far two answers to each example are apart.

    Half the summed change of the class probabilities; of a regression the absolute change.

    Shapes: (N, C), (N, C) -> (N,), N here the number of examples.
    """
    before, after = before.astype(np.float64), after.astype(np.float64)
    if before.shape[1] > 1:
        before, after = softmax(before, axis=1) / 2, softmax(after, axis=1) / 2
    apart: NDArray[np.float64] = np.abs(before - after).sum(axis=1)
    return apart


def _drawn(question: Drawn, shelf: Shelf) -> Examples:
    frame = shelf.texts(question.task).get(question.split)
    if frame is None:
        raise unknown("split", question.split, shelf.texts(question.task))
    count = min(question.examples, len(frame))
    rows = np.random.default_rng(question.seed).choice(len(frame), count, replace=False)
    labels = frame["label"].to_numpy()[rows]
    return Examples(rows, labels, _texts(shelf, question.task, question.split, rows))


# --- shared ----------------------------------------------------------------------------------


def _closed(warm: Warm, closed: Closed | None) -> AbstractContextManager[None]:
    return nullcontext() if closed is None else gated(warm.model, closed.mask())


def _check_unit(warm: Warm, unit: str, layer: int, index: int) -> Mask:
    """An open mask of the model, in which this unit exists.

    Raises:
        NotFound: no such layer, head or neuron.
    """
    layers, heads, neurons = architectures.shape(warm.model).grid()
    width = heads if unit == "head" else neurons
    if layer >= layers:
        raise NotFound(f"There is no layer {layer + 1}.", f"The model has {layers} layers.")
    if index >= width:
        raise NotFound(
            f"There is no {unit} {index + 1} in layer {layer + 1}.", f"It has {width} {unit}s."
        )
    return Mask.full((layers, heads, neurons))


def _some(warm: Warm, shelf: Shelf, split: str, examples: int, max_length: int) -> Encoded:
    data = shelf.splits(warm, reading.fitting(warm, max_length))[split]
    if not len(data):
        raise BadInput(f"The {split} split is empty.", "Choose another split.")
    return data.select(np.arange(min(examples, len(data))))


def _texts(shelf: Shelf, task: str, split: str, rows: NDArray[np.int64]) -> list[list[str]]:
    frame = shelf.texts(task)[split]
    columns = [name for name in ("text", "pair") if name in frame]
    return [[str(text) for text in row] for row in frame[columns].iloc[rows].to_numpy()]


ANSWERERS: dict[type[Question], Callable[[Any, Shelf], Answer]] = {
    Attention: _attention,
    Attribution: _attribution,
    Strongest: _strongest,
    Weightiest: _weightiest,
    Drawn: _drawn,
}
