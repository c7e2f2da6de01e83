"""The time of a masked teacher's curves, compared with one pruned model for each mask."""

import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from sparsekd.bench import Row
from sparsekd.bench.peak import Peak, operations
from sparsekd.bench.steps import place
from sparsekd.data import Encoded
from sparsekd.knowledge import masked
from sparsekd.knowledge.evaluation import predict
from sparsekd.knowledge.mask_tree import Tree
from sparsekd.models import architectures
from sparsekd.models.devices import synchronise
from sparsekd.models.pruning import prune
from sparsekd.units import masking
from sparsekd.units.masking import Mask
from sparsekd.units.scores import Scores

Array = NDArray[np.float32]
Predict = Callable[[PreTrainedModel, Encoded, list[Mask]], Array]
LAMS = (0.0, 0.25, 0.5, 0.75, 1.0)
SPARSITIES = tuple(tenth / 10 for tenth in range(10))
EXAMPLES = 128  # of a round


def measure(
    teacher: PreTrainedModel,
    data: Encoded,
    rounds: int = 3,
    examples: int = EXAMPLES,
    peak: Peak | None = None,
) -> list[Row]:
    """Measure each strategy on the same texts and masks in turn; ratios are medians.

    Two grids of λ × sparsity: heads and neurons removed alike, and heads alone, whose masks
    agree on more layers. The ranks are random: the time hardly depends on them.
    """
    order = np.argsort(data.lengths, kind="stable")
    step = max(len(order) // examples, 1)
    parts = [data.select(order[turn % step :: step][:examples]) for turn in range(rounds)]
    both = grid(architectures.shape(teacher).grid())
    heads = grid(architectures.shape(teacher).grid(), neurons=0.0)
    predict_all(teacher, parts[0], both[:1])  # warm up
    rows = _rows(teacher, parts, both, "heads and neurons", peak)
    return rows + _rows(teacher, parts, heads, "heads alone", peak)


def grid(shape: tuple[int, int, int], neurons: float | None = None) -> list[Mask]:
    """Return the masks of a study: five λ by ten sparsities, from random scores."""
    layers, heads, width = shape
    drawn = np.random.default_rng(0)
    units = drawn.random((2, layers * (heads + width)))
    scores = Scores.from_units(units, shape, {})
    return [
        masking.decide(*masking.knowledgeableness(scores, lam), sparsity, neurons)
        for lam in LAMS
        for sparsity in SPARSITIES
    ]


def predict_all(teacher: PreTrainedModel, data: Encoded, masks: list[Mask]) -> Array:
    """Prune and evaluate one model for each mask.

    Shapes: -> (M, N, C).
    """
    return np.stack([predict(prune(teacher, mask), data, teacher.device) for mask in masks])


def _sliced(teacher: PreTrainedModel, data: Encoded, masks: list[Mask]) -> Array:
    return masked.predict(teacher, data, masks, strategy="sliced")


def _stacked(teacher: PreTrainedModel, data: Encoded, masks: list[Mask]) -> Array:
    return masked.predict(teacher, data, masks, strategy="stacked")


def _rows(
    teacher: PreTrainedModel,
    parts: list[Encoded],
    masks: list[Mask],
    what: str,
    peak: Peak | None,
) -> list[Row]:
    spent: dict[str, list[float]] = {"plain": [], "sliced": [], "stacked": []}
    furthest = 0.0
    for part in parts:
        found = []
        for name, run in (("plain", predict_all), ("sliced", _sliced), ("stacked", _stacked)):
            seconds, logits = _timed(run, teacher, part, masks)
            spent[name].append(seconds)
            found.append(logits)
        furthest = max(furthest, *(float(np.abs(found[0] - each).max()) for each in found[1:]))
    shape, tree = architectures.shape(teacher), Tree.of(masks)
    chosen = masked.choose_strategy(shape, tree, parts[0], teacher.device.type)
    nodes = sum(len(level.parents) for level in tree.levels)
    note = (
        f"{len(masks)} masks, {len(parts)} rounds of {len(parts[0])} texts of "
        f"{parts[0].lengths.mean():.0f} tokens on average; {nodes} of "
        f"{len(masks) * shape.layers} layers are run, chosen here: {chosen}; "
        f"logits equal to {furthest:.0e}, float32, {place(teacher.device)}; "
    )
    rows = []
    for name, run in (("sliced", _sliced), ("stacked", _stacked)):
        rows.append(_row(spent, name, what, note))
        if peak:
            counted = operations(partial(run, teacher, parts[-1], masks))
            rows[-1]["share"] = peak.share(counted, spent[name][-1])
    return rows


def _row(spent: dict[str, list[float]], strategy: str, what: str, note: str) -> Row:
    pairs = zip(spent["plain"], spent[strategy], strict=True)
    ratios = [plain / other for plain, other in pairs]
    each = ", ".join(f"{ratio:.2f}" for ratio in ratios)
    words = f"λ × sparsity, {what}: a model for each mask / {strategy}"
    return {"what": words, "ratio": median(ratios), "note": note + each}


def _timed(
    run: Predict, teacher: PreTrainedModel, data: Encoded, masks: list[Mask]
) -> tuple[float, Array]:
    """Return the seconds of a run and its logits.

    On a processor the seconds are processor time, which other processes do not add to.
    """
    clock = time.process_time if teacher.device.type == "cpu" else time.perf_counter
    synchronise(teacher.device)
    start = clock()
    found = run(teacher, data, masks)
    synchronise(teacher.device)
    return clock() - start, found
