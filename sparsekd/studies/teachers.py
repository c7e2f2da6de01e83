"""Finished teachers to choose from, and how a choice labels them."""

from collections.abc import Iterable
from itertools import islice

import pandas as pd

from sparsekd.catalog.method_card import MethodCard
from sparsekd.runs import store
from sparsekd.runs.records import Run, State
from sparsekd.tasks.demo import DEMO_CHECKPOINTS


def finished_teachers(dense_only: bool = False) -> list[Run]:
    """Return the finished teachers, the newest first: dense ones, then pruned ones."""
    found = store.runs("finetune", [State.DONE])
    return found if dense_only else found + store.runs("prune", [State.DONE])


def other_teachers(first: Run) -> list[Run]:
    """Return the finished teachers of the same task, without the first."""
    found = finished_teachers()
    return [r for r in found if r.recipe.task == first.recipe.task and r.id != first.id]


def default_others(others: list[Run], card: MethodCard, cloned: Run | None) -> list[str]:
    """Return the further teachers of a cloned student, else as many as the method needs."""
    names = [run.id for run in others]
    if cloned and len(cloned.recipe.teachers) > 1:
        return [name for name in cloned.recipe.teachers[1:] if name in names]
    return list(islice(names, card.least_teachers - 1))


def reported_metrics(run: Run) -> dict[str, float]:
    """Return a model's metrics on its first reported split; empty before it is finished."""
    return next((m for split, m in run.outcome.metrics.items() if split != "selection"), {})


def checkpoint_title(run: Run) -> str:
    """Return the checkpoint that a teacher was fine-tuned from; empty for a pruned teacher."""
    checkpoint = run.recipe.inputs.get("checkpoint", "").split("#")[0]
    return DEMO_CHECKPOINTS.get(checkpoint, checkpoint.removeprefix("hub:"))


def teacher_label(run: Run, title: str) -> str:
    """Return title, checkpoint, task, first metric and id of a teacher in one line."""
    best = next((f"{name} {value:.3f}" for name, value in reported_metrics(run).items()), "")
    parts = (title, checkpoint_title(run), run.recipe.task, best, run.id)
    return " · ".join(part for part in parts if part)


def teachers_table(runs: Iterable[Run]) -> pd.DataFrame:
    """Return one row per fine-tuned teacher: task, checkpoint, state, metrics, size, time, run."""
    return pd.DataFrame(
        [
            {
                "task": run.recipe.task,
                "checkpoint": checkpoint_title(run),
                "state": run.state.value,
                **reported_metrics(run),
                "parameters": run.outcome.facts.get("parameters"),
                "seconds": round(run.seconds, 1),
                "run": run.id,
            }
            for run in runs
        ]
    )
