"""Variants of a pass over data: precision, size of the batches, and waiting for the device."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from transformers import PreTrainedModel

from sparsekd.bench.unpadded import predict_unpadded
from sparsekd.catalog.stage_parameters import ScoreParams
from sparsekd.data import Encoded, packed
from sparsekd.knowledge import scores
from sparsekd.knowledge.evaluation import eval_mode, predict
from sparsekd.knowledge.gradients import PassOptions
from sparsekd.models.gates import cls_only
from sparsekd.system import budgets
from sparsekd.units.masking import decide, knowledgeableness
from sparsekd.units.scores import Matrix, Scores

Array = NDArray[np.float32]
Predict = Callable[[PreTrainedModel, Encoded], Array]
Score = Callable[[PreTrainedModel, Encoded, Array], Scores]
EXAMPLES = 32
LAM, SPARSITY = 0.5, 0.3


def pass_over(
    model: PreTrainedModel,
    data: Encoded,
    tokens: float = 1.0,
    examples: int = 0,
    autocast: bool = False,
    wait: bool = True,
) -> Array:
    """Return the logits as `predict` does, in one of several ways.

    Args:
        tokens: The tokens of a batch, as a multiple of this program's.
        examples: Examples of a batch instead, sorted by length; 0 = as many as `tokens` allow.
        autocast: Compute in bfloat16 autocast.
        wait: Fetch the logits of each batch before the next one; otherwise all at the end.

    Shapes: -> (N, C), N here the number of examples.
    """
    device = model.device
    batches = packed(data.lengths, int(tokens * budgets.tokens(device.type)))
    if examples:
        order = np.argsort(data.lengths, kind="stable")
        batches = np.array_split(order, -(-len(order) // examples))
    parts = []
    low = torch.autocast(device.type, torch.bfloat16, enabled=autocast)
    with torch.no_grad(), eval_mode(model), cls_only(model), low:
        for rows in batches:
            batch = data.batch(rows, device)
            logits = model(**batch.inputs(model)).logits.float()
            parts.append(logits.cpu() if wait else logits)
    found = torch.cat(parts).cpu().numpy()
    ordered: Array = np.empty_like(found)
    ordered[np.concatenate(batches)] = found
    return ordered


@contextmanager
def tf32() -> Iterator[None]:
    """Let matrix products of float32 use TF32 inside the block: 10 bits instead of 23."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)


def _in_tf32(model: PreTrainedModel, data: Encoded) -> Array:
    with tf32():
        return predict(model, data, model.device)


class _LowWeights:
    """Predictions of a copy with weights in bfloat16; the copy is made once for each model."""

    def __init__(self) -> None:
        self.copies: dict[int, PreTrainedModel] = {}

    def __call__(self, model: PreTrainedModel, data: Encoded) -> Array:
        if id(model) not in self.copies:
            self.copies = {id(model): copy.deepcopy(model).bfloat16()}
        return predict(self.copies[id(model)], data, model.device)


PREDICTIONS: Mapping[str, Predict] = {
    "batches of 32 examples": partial(pass_over, examples=EXAMPLES),
    "a quarter of the tokens": partial(pass_over, tokens=0.25),
    "4 × the tokens": partial(pass_over, tokens=4),
    "logits fetched at the end": partial(pass_over, wait=False),
    "TF32": _in_tf32,
    "bfloat16 autocast": partial(pass_over, autocast=True),
    "bfloat16 weights": _LowWeights(),
    "bfloat16, unpadded": predict_unpadded,
}


def compiled_predictions() -> dict[str, Predict]:
    """Return predictions by a copy of the model that torch has compiled for all shapes."""
    copies: dict[int, PreTrainedModel] = {}

    def compiled(model: PreTrainedModel, data: Encoded) -> Array:
        if id(model) not in copies:
            copies[id(model)] = copy.deepcopy(model)
            copies[id(model)].compile(dynamic=True)
        return predict(copies[id(model)], data, model.device)

    return {"compiled, dynamic shapes": compiled}


def scored(
    model: PreTrainedModel,
    data: Encoded,
    known: Array,
    tokens: float = 1.0,
    low: bool = False,
    around: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> Scores:
    """Return scores of a batch each, in one of several ways; `known` are a student's logits.

    Shapes: known (N, C), N here the number of examples.
    """
    budget = int(tokens * budgets.gradient_tokens(model.device.type))
    options = PassOptions(budget, "bfloat16" if low else "float32")
    with around():
        return scores.stream(model, data, known, ScoreParams(), options).per_batch


SCORES: Mapping[str, Score] = {
    "a quarter of the tokens": partial(scored, tokens=0.25),
    "4 × the tokens": partial(scored, tokens=4),
    "TF32": partial(scored, around=tf32),
    "bfloat16 autocast": partial(scored, low=True),
}


def agreement(expected: Scores, found: Scores) -> str:
    """Return in words how well two scores agree: ranks, and the mask that they make."""
    ranks = [
        spearmanr(one.ravel(), other.ravel()).statistic
        for one, other in zip(_arrays(expected), _arrays(found), strict=True)
    ]
    masks = [decide(*knowledgeableness(each, LAM), SPARSITY) for each in (expected, found)]
    same = np.concatenate(
        [
            (masks[0].heads == masks[1].heads).ravel(),
            (masks[0].neurons == masks[1].neurons).ravel(),
        ]
    ).mean()
    return (
        f"rank agreement at least {min(ranks):.4f}, {same:.2%} of the mask equal "
        f"(λ = {LAM}, sparsity {SPARSITY})"
    )


def _arrays(made: Scores) -> list[Matrix]:
    return [
        made.head_expressiveness,
        made.head_friendliness,
        made.neuron_expressiveness,
        made.neuron_friendliness,
    ]
