"""What a study can decide and what not, computed before its launch."""

import math
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from sparsekd.runs import outputs, references, store
from sparsekd.runs.records import Recipe, State
from sparsekd.studies import stats
from sparsekd.studies.verdict import few_teachers
from sparsekd.system.wording import counted

SMALLEST = 0.01
"""The smallest difference of interest, unless one is named: one point."""
ASSUMED_SPREAD = 0.01
"""Standard deviation of a student over seeds, where no earlier students are known."""
DISAGREEMENT = 0.1
"""Assumed share of the examples on which one of two students is right and the other is not."""


@dataclass(frozen=True)
class Power:
    """What a planned study finds with 80% power.

    `spread` is the standard deviation of paired differences over seeds, `groups` the number of
    earlier groups of students of different seeds that it comes from (0: assumed), `examples` the
    number of reported examples (0: unknown). `teachers` are those that are pooled; how much they
    differ is not known before. `detectable` is the least difference that is found,
    `needed` the number of seeds that find a difference of `smallest` (infinity: none does).
    """

    seeds: int
    comparisons: int
    spread: float
    groups: int
    examples: int
    detectable: float
    smallest: float
    needed: float
    teachers: int = 1

    @property
    def words(self) -> str:
        """Return what the study can decide, what not, and what that assumes."""
        if self.seeds < stats.LEAST_SEEDS:
            found = f"Below {stats.LEAST_SEEDS} seeds there is no verdict."
        else:
            found = (
                f"{self.seeds} seeds and {counted(self.comparisons, 'comparison')} find a "
                f"difference of {_points(self.detectable)} with 80% power; most smaller ones "
                "will stay inconclusive."
            )
        wanted = f"For {_points(self.smallest)}: "
        if math.isinf(self.needed):
            wanted += f"no number of seeds up to {stats.MOST_SEEDS:,} is enough."
        else:
            wanted += f"{self.needed:,.0f} seeds, fixed before the launch."
        groups = counted(self.groups, "earlier group of students", "earlier groups of students")
        source = f"seen in {groups}" if self.groups else "assumed"
        spread = f"Spread of differences over seeds {_points(self.spread)} ({source})"
        examples = ""
        if self.examples:
            examples = (
                f"; {self.examples:,} reported examples, of which two students differ in "
                f"{DISAGREEMENT:.0%}"
            )
        return f"{found} {wanted} {spread}{examples}.{self._of_teachers}"

    @property
    def _of_teachers(self) -> str:
        """Return what pooling teachers adds, as further sentences; empty for one teacher."""
        if self.teachers < 2:
            return ""
        words = (
            f" All of this is for these {self.teachers} teachers: how much new ones differ adds to "
            "it, and is not known before."
        )
        return f"{words} {few_teachers(self.teachers)}".rstrip()


def before_launch(
    task: str,
    teacher: Recipe | str,
    labelled: int,
    seeds: int,
    comparisons: int,
    smallest: float = SMALLEST,
    teachers: int = 1,
) -> Power:
    """Return what a study of so many seeds and comparisons can decide, of the task's first metric.

    Args:
        teacher: A run that may have answered the reported split, which counts its examples.
        labelled: The label budget of the students, 0 for all.
        smallest: The smallest difference of interest, in the metric's units.
    """
    spread, groups = spread_of(task, labelled)
    examples = _examples(task, teacher)
    by_example = math.sqrt(DISAGREEMENT / examples) if examples else 0.0

    def detectable(count: int) -> float:
        error = math.hypot(spread / math.sqrt(count), by_example)
        return stats.detectable_effect(count, comparisons) * math.sqrt(count) * error

    found = detectable(seeds) if seeds > 1 else math.inf
    counts = range(stats.LEAST_SEEDS, stats.MOST_SEEDS + 1)
    place = bisect_left(counts, True, key=lambda count: detectable(count) <= smallest)
    needed = float(counts[place]) if place < len(counts) else math.inf
    return Power(seeds, comparisons, spread, groups, examples, found, smallest, needed, teachers)


def spread_of(task: str, labelled: int) -> tuple[float, int]:
    """Return the spread of paired differences over seeds, and the groups that it comes from.

    It is √2 times the median standard deviation of earlier students of the task and label budget
    that differ in their seed alone: as if pairing gained nothing.
    """
    card = references.cards().get(task)
    if card is None:
        return math.sqrt(2) * ASSUMED_SPREAD, 0
    place = (card.validation[0], card.metrics[0])
    return _spread_of(store.home(), store.finished_stamp(), task, place, labelled)


@lru_cache(maxsize=64)
def _spread_of(
    home: Path, stamp: tuple[int, float], task: str, place: tuple[str, str], labelled: int
) -> tuple[float, int]:
    """Compute the same from a store; its `stamp` changes where a run has ended since."""
    split, metric = place
    groups: dict[str, list[float]] = defaultdict(list)
    for run in store.runs(stage="distil", states=[State.DONE], task=task):
        recipe, value = run.recipe, run.outcome.metrics.get(split, {}).get(metric)
        budget = recipe.params["train"].get("labelled", 0)
        if budget == labelled and value is not None:
            key = repr((recipe.method, recipe.params, sorted(recipe.inputs.items())))
            groups[key].append(value)
    spreads = [float(np.std(own, ddof=1)) for own in groups.values() if len(own) > 2]
    if not spreads or not np.median(spreads) > 0:
        return math.sqrt(2) * ASSUMED_SPREAD, 0
    return math.sqrt(2) * float(np.median(spreads)), len(spreads)


def _examples(task: str, teacher: Recipe | str) -> int:
    card = references.cards().get(task)
    name = teacher if isinstance(teacher, str) else teacher.run_id
    run = store.get_many([name]).get(name)
    kept = outputs.load_outputs(run.folder, card.validation[0]) if run and card else None
    return len(kept[1]) if kept else 0


def _points(value: float) -> str:
    number = f"{100 * value:.2g}"
    return f"{number} point{'' if number == '1' else 's'}"
