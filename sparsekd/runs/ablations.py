"""Ablation runs: which there are of a teacher, and the scores to compare with them."""

from collections.abc import Mapping
from pathlib import Path

from sparsekd.catalog import rankings
from sparsekd.catalog.stage_parameters import AblateParams
from sparsekd.errors import NotFound
from sparsekd.runs import score_runs, store
from sparsekd.runs.records import Run, State
from sparsekd.units import fidelity
from sparsekd.units.fidelity import Ranks
from sparsekd.units.scores import Scores

DEFAULT_LAM = 0.5


def of_teacher(teacher: str) -> list[Run]:
    """Return the ablations of a teacher, the newest first."""
    return [run for run in store.runs("ablate") if run.recipe.inputs["teacher"] == teacher]


def finished(teacher: str) -> dict[str, Run]:
    """Return the ablations of a teacher that are done by id, the newest first."""
    return {run.id: run for run in of_teacher(teacher) if run.state is State.DONE}


def label(run: Run) -> str:
    """Return an ablation in one line, beginning with what a narrow box must show."""
    params = AblateParams.of(run.recipe.params["ablate"])
    student = run.recipe.inputs.get("student", "").split("#")[0]
    against = f" · against student {student}" if student else ""
    return f"{run.id} · {params.split}, {run.outcome.facts['examples']:,} examples{against}"


def students(teacher: Run) -> dict[str, str]:
    """Return the labels of the teacher's finished students by id."""
    done = store.runs("distil", [State.DONE], teacher.recipe.task)
    return {
        run.id: score_runs.student_label(run)
        for run in done
        if run.recipe.inputs["teacher"] == teacher.id
    }


def scores(teacher: Run) -> dict[str, str]:
    """Return the labels of the teacher's finished scores by id."""
    done = store.runs("score", [State.DONE], teacher.recipe.task)
    return {
        run.id: score_runs.label(run) for run in done if run.recipe.inputs["teacher"] == teacher.id
    }


def all_rankings(
    scores: Scores, run: Run, lam: float, normalise: str, files: Mapping[str, Path]
) -> dict[str, Ranks]:
    """Return what ranks the units of an ablated teacher, by name.

    E, F, K at λ = 0.5 and at `lam`, rankings of the weights where the run saved them, random
    values, and other scores.

    Args:
        files: Other score files, by the name to show.
    """
    lams = list(dict.fromkeys((DEFAULT_LAM, lam)))
    found = fidelity.all_rankings(scores, lams, _from_weights(run), normalise=normalise)
    for name, path in files.items():
        found |= fidelity.rankings_of(name, Scores.load(path))
    return found


def fingerprints(files: Mapping[str, Path]) -> tuple[tuple[str, str, float], ...]:
    """Return what changes when one of the files does: the key of a cached comparison.

    Raises:
        NotFound: a file is gone.
    """
    for path in files.values():
        if not path.exists():
            raise NotFound(f"The scores {path.name} are gone.", "Measure them again.")
    return tuple((name, str(path), path.stat().st_mtime) for name, path in files.items())


def _from_weights(run: Run) -> dict[str, Ranks]:
    """Return the rankings of the teacher's weights that the run saved, by name."""
    paths = {name: run.folder / f"{name}.npz" for name in rankings.names("weights")}
    found = {name: Scores.load(path) for name, path in paths.items() if path.exists()}
    return {
        name: (each.head_expressiveness, each.neuron_expressiveness) for name, each in found.items()
    }
