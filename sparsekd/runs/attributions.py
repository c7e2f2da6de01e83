"""Attribution runs of a scored teacher, and the models whose attributions are compared."""

from pathlib import Path

from sparsekd.catalog import rankings
from sparsekd.runs import store
from sparsekd.runs.records import Run, State


def of_scored_teacher(scores: Run) -> list[Run]:
    """Return the attributions of the teacher that a run scored, the newest first."""
    teacher, task = scores.recipe.inputs["teacher"], scores.recipe.task
    found = store.runs("attribute", task=task)
    return [run for run in found if run.recipe.inputs["teacher"] == teacher]


def files(scores: Run) -> dict[str, Path]:
    """Return the newest finished attribution of each kind as a score file, by its title."""
    found: dict[str, Path] = {}
    for run in of_scored_teacher(scores):
        if run.state is State.DONE:
            found.setdefault(rankings.title(run.recipe.variant), run.folder / "scores.npz")
    return found


def students(scores: Run) -> list[Run]:
    """Return finished students of the scored teacher or of teachers pruned from it.

    The trial student comes first, then students of pruned teachers, each the oldest first.
    """
    teacher, trial = scores.recipe.inputs["teacher"], scores.recipe.inputs["student"]
    pruned = {
        run.id
        for run in store.runs("prune", [State.DONE], scores.recipe.task)
        if run.recipe.inputs["teacher"] == teacher
    }
    found = [
        run
        for run in store.runs("distil", [State.DONE], scores.recipe.task)
        if run.id == trial or run.recipe.inputs["teacher"] in {teacher, *pruned}
    ]

    def order(run: Run) -> tuple[bool, bool, float]:
        return run.id != trial, run.recipe.inputs["teacher"] not in pruned, run.created

    return sorted(found, key=order)
