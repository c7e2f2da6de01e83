"""λ and sparsity searched with Optuna: a trial is a cell, its students are runs.

A trial's value is the mean metric of its students, one per seed, on the selection split. A
journal on disk keeps the trials, so that a search continues where it was.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from sparsekd.errors import BadInput, Cancelled, SparseKDError, Unavailable
from sparsekd.runs import references, store
from sparsekd.runs.records import Plan, Run, State, Step
from sparsekd.studies.sweeps import search_plan, sweep
from sparsekd.studies.sweeps.search_plan import SHARED_ROLES, SearchTrial, check, ranges
from sparsekd.studies.sweeps.sweep_spec import SweepSpec
from sparsekd.system import locks
from sparsekd.system.files import disk_error

if TYPE_CHECKING:
    import optuna

RunSteps = Callable[[Sequence[Step]], Mapping[str, Run]]
OnTrial = Callable[[SearchTrial], None]

STEP = 0.001  # λ and sparsity are tried in thousandths: recipes stay readable


@dataclass(frozen=True)
class SearchResult:
    """A finished search: its trials in order, and the plan of all its runs."""

    trials: tuple[SearchTrial, ...]
    plan: Plan

    @property
    def best(self) -> SearchTrial | None:
        """Return the first of the highest; None where every trial failed."""
        counted = [trial for trial in self.trials if trial.selected is not None]
        return max(counted, key=lambda trial: trial.selected or -math.inf, default=None)


def search(
    spec: SweepSpec,
    trials: int,
    run_steps: RunSteps,
    on_trial: OnTrial = lambda trial: None,
    command: str = "",
) -> SearchResult:
    """Run so many trials, then the controls.

    A search that was killed continues with its last trial, and later trials are those that it
    would have had; more trials extend it.

    Args:
        spec: Of one method; λ and sparsity range from the least to the greatest of its grids.
        run_steps: Makes the runs of some steps and returns all of them, however they ended.
        on_trial: Called after each trial.
        command: The command line that repeats the search.

    Raises:
        BadInput: no trials, several methods, no range, a broken journal, or another process
            makes this search.
        Unavailable: Optuna is not installed. Cancelled: a run of a trial was cancelled.
    """
    check(spec, trials)
    path = journal(spec)
    refusal = f"This search is being made by another process ({path.name})."
    with locks.hold_lock(path.with_suffix(".lock"), refusal):
        study = _study(path)
        while (trial := _next(study, trials)) is not None:
            on_trial(_run_trial(study, trial, spec, run_steps))
        done = tuple(_read(each) for each in study.get_trials()[:trials])
    plan = replace(search_plan.plan(spec, done), command=command)
    store.save_plan(plan)
    run_steps(plan.steps)
    return SearchResult(done, plan)


def journal(spec: SweepSpec) -> Path:
    """Return the file of a search's trials: the same one however many trials are asked for.

    Raises:
        BadInput: see `search`.
    """
    method, parts = spec.methods[0], ("train", "student", "score", "mask")
    question = {
        "task": spec.task,
        "teacher": spec.teacher.run_id,
        "method": [method, spec.params(method).values()],
        "box": ranges(spec),
        "seeds": spec.seeds,
    } | {part: getattr(spec, part).values() for part in parts}
    digest = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
    return store.home() / "searches" / f"{digest[:12]}.journal"


# --- trials ----------------------------------------------------------------------------------


def _run_trial(
    study: "optuna.Study", trial: "optuna.Trial", spec: SweepSpec, run_steps: RunSteps
) -> SearchTrial:
    """Make a trial's runs, and report their value to Optuna."""
    from optuna.trial import TrialState

    lam, sparsity = (_suggest(study, trial, name, *ends) for name, ends in ranges(spec).items())
    cells = [sweep.cell_steps(spec, spec.methods[0], lam, sparsity, seed) for seed in spec.seeds]
    steps = sweep.unique(step for cell in cells for step in cell)
    selected = _selected(spec.task, steps, run_steps(steps))
    if selected is None:
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, selected)
    return SearchTrial(trial.number, lam, sparsity, selected)


def _suggest(
    study: "optuna.Study", trial: "optuna.Trial", name: str, low: float, high: float
) -> float:
    """Return a value that depends only on this trial's number and on the trials before it."""
    from optuna.samplers import TPESampler

    draw = hashlib.sha256(f"{study.study_name} {trial.number} {name}".encode()).digest()
    study.sampler = TPESampler(seed=int.from_bytes(draw[:4]))
    return round(trial.suggest_float(name, low, high, step=STEP), 3)


def _selected(task: str, steps: Sequence[Step], runs: Mapping[str, Run]) -> float | None:
    """Return the students' mean metric on the selection split; None where a run failed.

    Raises:
        Cancelled: a run was cancelled. SparseKDError: a run failed that every trial needs.
    """
    for step in steps:
        run = runs[step.recipe.run_id]
        if run.state in (State.CANCELLED, State.INTERRUPTED):
            raise Cancelled(f"Run {run.id} was {run.state}.", "The same search goes on.")
        if run.state is State.FAILED and step.role in SHARED_ROLES:
            raise SparseKDError(f"Run {run.id} failed: {run.outcome.message}", run.outcome.hint)
    students = [runs[step.recipe.run_id] for step in steps if step.role == "student"]
    if any(run.state is not State.DONE for run in students):
        return None
    metric = references.card(task).metrics[0]
    mean = fmean(run.outcome.metrics["selection"][metric] for run in students)
    return mean if math.isfinite(mean) else None


def _read(trial: "optuna.trial.FrozenTrial") -> SearchTrial:
    lam, sparsity = (round(trial.params[name], 3) for name in ("lam", "sparsity"))
    return SearchTrial(trial.number, lam, sparsity, trial.value)


# --- Optuna's journal ------------------------------------------------------------------------


def _study(path: Path) -> "optuna.Study":
    """Open the search as far as its journal has it.

    Raises:
        Unavailable: Optuna is not installed, or the disk is full; BadInput: a broken journal.
    """
    try:
        import optuna
        from optuna.storages.journal import JournalFileBackend
    except ImportError as error:
        raise Unavailable("Optuna is not installed.", "pip install 'optuna==5.0.*'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        _repair(path)
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
        return optuna.create_study(
            storage=storage, study_name=path.stem, direction="maximize", load_if_exists=True
        )
    except OSError as error:
        raise disk_error(path, error) from error
    except (ValueError, KeyError) as error:  # a line that is no JSON, or no log of Optuna's
        raise BadInput(
            f"The journal {path} is broken: {error}.",
            "Delete it: the runs are kept, and the search tries the same again.",
        ) from error


def _repair(path: Path) -> None:
    """Remove what a killed search may leave: Optuna's lock, and half a line.

    The caller holds this search's own lock.
    """
    Path(f"{path}.lock").unlink(missing_ok=True)
    if path.exists():
        whole = path.read_bytes().rfind(b"\n") + 1
        if whole < path.stat().st_size:
            os.truncate(path, whole)


def _next(study: "optuna.Study", trials: int) -> "optuna.Trial | None":
    """Return the trial that has not ended, or a new one; None after the last."""
    from optuna import Trial
    from optuna.trial import TrialState

    known = study.get_trials(deepcopy=False)
    for each in known[:trials]:
        if each.state is TrialState.RUNNING:
            return Trial(study, each._trial_id)
    return study.ask() if len(known) < trials else None
