"""What a plan will cost, and what is left of it: runs, seconds and bytes, from earlier runs."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from sparsekd.runs import store
from sparsekd.runs.records import Plan, Recipe, Run, State

SAMPLE = 8  # folders measured for the size of a kind of run


@dataclass(frozen=True)
class Budget:
    """What a plan's missing runs cost.

    `runs` are missing, `there` are finished. `seconds` add up those runs whose like has been
    measured here, one after another; `unknown` counts the others. `bytes` likewise, on disk.
    `slots` runs were at work side by side where such runs were measured, one where unknown.
    """

    runs: int
    there: int
    seconds: float
    bytes: float
    unknown: int

    def wall(self, slots: int) -> float:
        """Seconds until the end with so many runs side by side, if they always find work."""
        return self.seconds / max(1, slots)


def estimate(plan: Plan) -> Budget:
    """What the plan's unfinished runs cost, going by finished runs of the same kind.

    Runs are of one kind where stage, task, method, training and student are the same.
    """
    runs = store.several(step.recipe.run_id for step in plan.steps)
    done = {name for name, run in runs.items() if run.state is State.DONE}
    missing = [step.recipe for step in plan.steps if step.recipe.run_id not in done]
    known = _measured(missing)
    costs = [known.get(kind(recipe)) for recipe in missing]
    told = [cost for cost in costs if cost is not None]
    return Budget(
        runs=len(missing),
        there=len(done),
        seconds=sum(seconds for seconds, _ in told),
        bytes=sum(size for _, size in told),
        unknown=len(missing) - len(told),
    )


def kind(recipe: Recipe) -> str:
    """What decides how long a run takes and how much it leaves, as a key."""
    params = {name: value for name, value in recipe.params.items() if name != "mask"}
    parts: list[Any] = [recipe.stage, recipe.task, recipe.method, recipe.variant, params]
    if recipe.stage in ("finetune", "distil"):
        parts.append(recipe.inputs.get("checkpoint") or recipe.inputs["init"])
    return json.dumps(parts, sort_keys=True)


def _measured(missing: Iterable[Recipe]) -> dict[str, tuple[float, float]]:
    """Median seconds and bytes of the finished runs of each kind that is missing."""
    wanted = {kind(recipe) for recipe in missing}
    alike: dict[str, list[Run]] = defaultdict(list)
    for run in store.runs(states=[State.DONE]) if wanted else []:
        name = kind(run.recipe)
        if name in wanted:
            alike[name].append(run)
    return {
        name: (
            median(run.seconds for run in runs),
            median(size(run.folder) for run in runs[:SAMPLE]),
        )
        for name, runs in alike.items()
    }


def size(folder: Path) -> int:
    """Bytes of the files in a folder; what vanishes meanwhile counts nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


def in_words(budget: Budget, slots: int) -> str:
    """One sentence: how many runs, how long, how much disk."""
    if not budget.runs:
        return f"All {budget.there:,} runs are there already."
    words = f"{budget.runs:,} runs to do"
    words += f", {budget.there:,} are there already" if budget.there else ""
    known = budget.runs - budget.unknown
    if not known:
        return f"{words}. How long they take is not known yet: nothing like them has run here."
    side = f", {slots} side by side" if slots > 1 else ""
    words += f": about {duration(budget.wall(slots))}{side}, {gigabytes(budget.bytes)} of disk"
    if budget.unknown:
        words += f", and {budget.unknown:,} runs of kinds that have not run here yet"
    return f"{words}. Going by finished runs of the same kind."


def time_left(budget: Budget, running: int) -> str:
    """Return how long the missing runs still take with `running` side by side, as a sentence."""
    if budget.unknown == budget.runs:
        return "Time left: unknown until the first runs of each kind have ended."
    words = f"About {duration(budget.wall(running))} left, {running} side by side"
    if budget.unknown:
        words += f", and {budget.unknown:,} runs of kinds that have not ended here yet"
    return f"{words}."


def duration(seconds: float | None) -> str:
    """Seconds in words; a dash where nothing is known."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours / 24:.1f} days"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def gigabytes(size: float) -> str:
    """A size in words."""
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.0f} MiB"
