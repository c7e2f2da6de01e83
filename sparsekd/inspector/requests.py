"""Requests about a run's model, and about the teacher that a run scored."""

from sparsekd.inspector.protocol import (
    AttentionRequest,
    AttributionRequest,
    PackedMask,
    PredictionRequest,
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


def prediction(model: Run, texts: Texts) -> PredictionRequest:
    """Return the request for a run's logits of one example, at the length it was trained at."""
    params = model.recipe.params
    length = params.get("max_length") or params["train"]["max_length"]
    values = {"task": model.recipe.task, "model": model.id, "texts": texts, "max_length": length}
    return PredictionRequest.of(values)


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
