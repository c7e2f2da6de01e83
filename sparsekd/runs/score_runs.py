"""Scoring runs: which there are, what they keep, and which students they can be asked about."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sparsekd.catalog.stage_parameters import ScoreParams
from sparsekd.errors import BadInput, NotFound
from sparsekd.runs import store, tables
from sparsekd.runs.records import Plan, Run, State

SIZES = ("layers", "heads", "neurons")


def finished() -> list[Run]:
    """Return the scoring runs that are done, the newest first."""
    return store.runs("score", [State.DONE])


def latest(runs: Iterable[str], study: Plan | None) -> str:
    """Return the study's first of these run ids, in its order of seeds; else the first of all."""
    ids = list(runs)
    of_study = [step.recipe.run_id for step in study.steps] if study else []
    return next((name for name in of_study if name in ids), ids[0])


def params(run: Run) -> ScoreParams:
    """Return the parameters of a scoring run."""
    return ScoreParams.of(run.recipe.params["score"])


def label(run: Run) -> str:
    """Return a scoring run in one line, beginning with what a narrow box must show."""
    asked = params(run)
    per_batch = f"per batch of {asked.batch_size}"
    how = per_batch if asked.aggregate == "per_batch" else "per example"
    student = run.recipe.inputs["student"].split("#")[0]
    return f"{run.id} · {run.recipe.task} · {asked.split}, {how} · for student {student}"


def same_shape(run: Run) -> dict[str, Run]:
    """Return finished scores of teachers with as many layers, heads and neurons, `run` first."""
    own = _sizes(run)
    found = [other for other in finished() if _sizes(other) == own]
    return {other.id: other for other in sorted(found, key=lambda other: other.id != run.id)}


def same_teacher(runs: Iterable[Run], run: Run) -> list[str]:
    """Return the ids of the runs that score the teacher of `run`."""
    teacher = run.recipe.inputs["teacher"]
    return [other.id for other in runs if other.recipe.inputs["teacher"] == teacher]


def _sizes(run: Run) -> list[object]:
    return [run.outcome.facts.get(name) for name in SIZES]


# --- students --------------------------------------------------------------------------------


def students() -> list[Run]:
    """Return finished students whose teacher is whole: a pruned teacher has no grid of units."""
    pruned = {run.id for run in store.runs("prune")}
    done = store.runs("distil", [State.DONE])
    return [run for run in done if run.recipe.inputs["teacher"] not in pruned]


def student_label(run: Run) -> str:
    """Return a student in one line."""
    return f"{tables.title(run.recipe)} · {run.id}"


def trial_students(run: Run) -> list[Run]:
    """Return students of the scored teacher that kept logits on the run's split, its own first."""
    teacher, own = run.recipe.inputs["teacher"], run.recipe.inputs["student"]
    split = params(run).split
    found = [
        other
        for other in store.runs("distil", [State.DONE], run.recipe.task)
        if other.recipe.inputs["teacher"] == teacher
        and (other.id == own or logits_file(other.id, split).is_file())
    ]
    return sorted(found, key=lambda other: other.id != own)


# --- files -----------------------------------------------------------------------------------


def jacobian_folder(run: Run) -> Path:
    """Return where a scoring run keeps the Jacobian of its teacher on its split."""
    return run.folder / "jacobian"


def keeps_jacobian(run: Run) -> bool:
    """Return whether other trial students and parameters need no new run."""
    return (jacobian_folder(run) / "meta.json").is_file()


def logits_file(run_id: str, split: str) -> Path:
    """Return where a run keeps its model's logits on a split."""
    return store.folder(run_id) / f"logits-{split}.npy"


def load_logits(path: Path) -> NDArray[np.float32]:
    """Read the logits of a trial student.

    Shapes: -> (N, C).
    Raises:
        NotFound: there is no such file; BadInput: it is damaged.
    """
    if not path.is_file():
        raise NotFound(
            f"There are no logits {path.name} of the trial student.",
            "Score with it as a run instead.",
        )
    try:
        logits = np.asarray(np.load(path, allow_pickle=False), np.float32)
    except (ValueError, EOFError) as error:
        raise BadInput(
            f"{path.name} of the trial student is damaged.", "Distil it again."
        ) from error
    return logits
