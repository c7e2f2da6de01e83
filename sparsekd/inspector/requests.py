"""Requests about the teacher that a run scored, and about its students."""

from sparsekd.inspector.protocol import (
    AttentionRequest,
    AttributionRequest,
    PackedMask,
    SampleRequest,
    TextsRequest,
    TopExamplesRequest,
    TopTokensRequest,
)
from sparsekd.runs.records import Run
from sparsekd.units.masking import Mask

Texts = tuple[str, ...]
Unit = tuple[str, int, int]
"""head or neuron, its layer and its number, both from 0."""


def attention(scores: Run, texts: Texts, mask: Mask | None = None) -> AttentionRequest:
    """Return the request for the scored teacher's attention on one example, masked or not."""
    values = _about(scores) | {"texts": texts, "mask": _packed(mask)}
    return AttentionRequest.of(values)


def attribution(
    scores: Run, model: str, texts: Texts, mask: Mask | None, target: int | None
) -> AttributionRequest:
    """Return the request for the contribution of each token to one model's output.

    Args:
        model: A stored reference.
        target: The class to explain; None for the predicted one.
    """
    values = {"model": model, "texts": texts, "mask": _packed(mask), "target": target}
    return AttributionRequest.of(_about(scores) | values)


def top_tokens(scores: Run, layer: int) -> TopTokensRequest:
    """Return the request for the tokens at which each neuron of a layer is most active."""
    return TopTokensRequest.of(_about(scores) | {"layer": layer})


def top_examples(scores: Run, unit: Unit) -> TopExamplesRequest:
    """Return the request for the examples whose prediction changes most without a unit."""
    kind, layer, index = unit
    return TopExamplesRequest.of(_about(scores) | {"unit": kind, "layer": layer, "index": index})


def sample(scores: Run, seed: int) -> SampleRequest:
    """Return the request for random examples of the selection split."""
    return SampleRequest.of({"task": scores.recipe.task, "seed": seed})


def texts(task: str, split: str) -> TextsRequest:
    """Return the request for all examples of a split."""
    return TextsRequest.of({"task": task, "split": split})


def _about(scores: Run) -> dict[str, object]:
    recipe = scores.recipe
    length = recipe.params["max_length"]
    return {"task": recipe.task, "model": recipe.inputs["teacher"], "max_length": length}


def _packed(mask: Mask | None) -> PackedMask | None:
    return None if mask is None else PackedMask.pack(mask)
