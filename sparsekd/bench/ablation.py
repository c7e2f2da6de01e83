"""The time of ablating every head, compared with running the whole model for each of them."""

import copy
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from sparsekd.bench import Row
from sparsekd.bench.peak import Peak, operations
from sparsekd.bench.seconds import seconds
from sparsekd.bench.steps import place
from sparsekd.data import Encoded
from sparsekd.knowledge.ablation import Removal, ablate, single_heads
from sparsekd.knowledge.evaluation import predict
from sparsekd.models import architectures
from sparsekd.models.devices import move
from sparsekd.models.gates import gated
from sparsekd.units.masking import Mask

DEEP = 12  # layers of the usual base model
TOKENS = 1024  # of a round: one batch of whole runs, of the size that is fastest on a CPU


def measure(
    teacher: PreTrainedModel,
    data: Encoded,
    rounds: int = 3,
    deep: int = DEEP,
    peak: Peak | None = None,
) -> list[Row]:
    """Measure whole runs and shared prefixes in turn on the same examples; ratios are medians.

    The models are the teacher and, where it has fewer than `deep` layers, one of the same width
    with so many layers and random weights: the shared prefix grows with the depth.
    """
    models = [teacher]
    if len(architectures.blocks(teacher)) < deep:
        models.append(deeper(teacher, deep))
    return [_row(model, data, rounds, peak) for model in models]


def deeper(teacher: PreTrainedModel, layers: int) -> PreTrainedModel:
    """Return a model with the teacher's sizes but another depth, with random weights."""
    config = copy.deepcopy(teacher.config)
    config.num_hidden_layers = layers
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model: PreTrainedModel = AutoModelForSequenceClassification.from_config(
            config, dtype=torch.float32
        )
    model.eval()
    return move(model, teacher.device)


def _row(model: PreTrainedModel, data: Encoded, rounds: int, peak: Peak | None) -> Row:
    removals = single_heads(architectures.shape(model).grid())
    layers = len(architectures.blocks(model))
    parts = _parts(data, rounds)
    _each_anew(model, parts[0], removals[:1])
    ablate(model, parts[0], removals[:1])
    ratios, shares, furthest = [], [], 0.0
    for part in parts:
        # A whole run takes the same time whichever head is closed: one per layer is enough.
        one_each = removals[:: len(removals) // layers]
        anew, expected = _timed(_each_anew, model, part, one_each)
        shared, found = _timed(ablate, model, part, removals)
        ratios.append(anew * len(removals) / len(one_each) / shared)
        if peak:
            counted = operations(partial(ablate, model, part, removals))
            shares.append(peak.share(counted, shared))
        same = found[:, 1 :: len(removals) // layers]
        furthest = max(furthest, float(np.abs(same - expected).max()))
    words = ", ".join(f"{part.lengths.mean():.0f}" for part in parts)
    row: Row = {
        "what": f"every head of {layers} layers: whole model for each / shared prefix",
        "ratio": median(ratios),
        "note": f"{len(removals)} heads, {len(parts)} rounds of {len(parts[0])} texts of {words} "
        f"tokens on average ({', '.join(f'{ratio:.2f}' for ratio in ratios)}), "
        f"logits equal to {furthest:.0e}, float32, {place(model.device)}",
    }
    if shares:
        row["share"] = median(shares)
    return row


def _parts(data: Encoded, rounds: int) -> list[Encoded]:
    """Return groups of examples of similar length, short to long, so that both pad little.

    A whole split pads little too; a few texts of all lengths in one batch would slow whole runs.
    """
    order = np.argsort(data.lengths, kind="stable")
    many = min(max(int(TOKENS / data.lengths.mean()), 1), len(order))
    centres = len(order) * (np.arange(rounds) + 0.5) / rounds
    starts = np.clip(centres - many / 2, 0, len(order) - many).astype(int)
    return [data.select(order[start : start + many]) for start in starts]


def _each_anew(
    model: PreTrainedModel, data: Encoded, removals: list[Removal]
) -> NDArray[np.float32]:
    """Evaluate the whole model once for each removal.

    Shapes: -> (N, R, C), N here the number of examples, R removals.
    """
    grid, found = architectures.shape(model).grid(), []
    for removal in removals:
        mask = Mask.full(grid)
        mask.heads[removal.layer, list(removal.units)] = False
        with gated(model, mask):
            found.append(predict(model, data, model.device))
    return np.stack(found, axis=1)


def _timed(
    run: Callable[[PreTrainedModel, Encoded, list[Removal]], NDArray[np.float32]],
    model: PreTrainedModel,
    data: Encoded,
    removals: list[Removal],
) -> tuple[float, NDArray[np.float32]]:
    found: list[NDArray[np.float32]] = []
    spent = seconds(lambda: found.append(run(model, data, removals)), model.device)
    return spent, found[0]
