"""The cost of a plan: runs, seconds and bytes, estimated from earlier runs."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Any

from sparsekd.runs import jobs, store
from sparsekd.runs.records import Plan, Recipe, Run, State
from sparsekd.system.files import folder_size
from sparsekd.system.wording import counted, size

SAMPLE = 8  # folders measured for the size of a kind of run


@dataclass(frozen=True)
class CostEstimate:
    """The cost of a plan's missing runs.

    `done` counts finished runs. `seconds` and `bytes` (on disk) are sums over the missing runs
    whose kind has been measured here; `unknown` counts the others. `device` is the one that the
    times come from; empty for any.
    """

    missing: int
    done: int
    seconds: float
    bytes: float
    unknown: int
    device: str = ""

    def wall_seconds(self, slots: int) -> float:
        """Return the seconds until the end with `slots` runs side by side, all of them busy."""
        return self.seconds / max(1, slots)


def estimate(plan: Plan, device: str = "") -> CostEstimate:
    """Return the cost of a plan's missing runs, going by finished runs of the same kind.

    Runs are of one kind where stage, task, method, training and student are the same. Where a
    device is named, only those that ran there count; "auto" is the one that runs land on.
    """
    device = jobs.likely_device(device).name if device == "auto" else device
    runs = store.get_many(step.recipe.run_id for step in plan.steps)
    done = {name for name, run in runs.items() if run.state is State.DONE}
    missing = [step.recipe for step in plan.steps if step.recipe.run_id not in done]
    known = _measured(missing, device)
    costs = [known.get(kind(recipe)) for recipe in missing]
    measured = [cost for cost in costs if cost is not None]
    return CostEstimate(
        missing=len(missing),
        done=len(done),
        seconds=sum(seconds for seconds, _ in measured),
        bytes=sum(size for _, size in measured),
        unknown=len(missing) - len(measured),
        device=device,
    )


def kind(recipe: Recipe) -> str:
    """Return what decides how long a run takes and how much it leaves, as a key."""
    params = {name: value for name, value in recipe.params.items() if name != "mask"}
    parts: list[Any] = [recipe.stage, recipe.task, recipe.method, recipe.variant, params]
    if recipe.stage in ("finetune", "distil"):
        parts.append(recipe.inputs.get("checkpoint") or recipe.inputs["init"])
    return json.dumps(parts, sort_keys=True)


def _measured(missing: Iterable[Recipe], device: str) -> dict[str, tuple[float, float]]:
    """Return median seconds and bytes of the finished runs of each kind that is missing."""
    wanted = {kind(recipe) for recipe in missing}
    alike: dict[str, list[Run]] = defaultdict(list)
    for run in store.runs(states=[State.DONE]) if wanted else []:
        name = kind(run.recipe)
        if name in wanted and device in ("", run.device):
            alike[name].append(run)
    return {
        name: (
            median(run.seconds for run in runs),
            median(folder_size(run.folder) for run in runs[:SAMPLE]),
        )
        for name, runs in alike.items()
    }


def in_words(estimate: CostEstimate, slots: int) -> str:
    """Return one sentence: how many runs, how long, how much disk."""
    if not estimate.missing:
        return f"All {estimate.done:,} runs are there already."
    words = f"{counted(estimate.missing, 'run')} to do"
    are = "is" if estimate.done == 1 else "are"
    words += f", {estimate.done:,} {are} there already" if estimate.done else ""
    known = estimate.missing - estimate.unknown
    where = f"on {estimate.device}" if estimate.device else "here"
    if not known:
        return f"{words}. How long they take is not known yet: nothing like them has run {where}."
    side = f", {slots} side by side" if slots > 1 else ""
    seconds = duration(estimate.wall_seconds(slots))
    words += f": about {seconds}{side}, {size(estimate.bytes)} of disk"
    if estimate.unknown:
        words += f", and {estimate.unknown:,} runs of kinds that have not run {where} yet"
    return f"{words}. Going by finished runs of the same kind {where}."


def time_left(estimate: CostEstimate, running: int) -> str:
    """Return how long the missing runs still take with `running` side by side, as a sentence."""
    if estimate.unknown == estimate.missing:
        return "Time left: unknown until the first runs of each kind have ended."
    words = f"About {duration(estimate.wall_seconds(running))} left, {running} side by side"
    if estimate.unknown:
        words += f", and {estimate.unknown:,} runs of kinds that have not ended here yet"
    return f"{words}."


def duration(seconds: float | None) -> str:
    """Return seconds in words; a dash where they are not known."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours / 24:.1f} days"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
