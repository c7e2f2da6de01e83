"""λ and sparsity searched instead of gridded: Optuna asks, runs answer, a journal remembers.

A trial is one (λ, sparsity) with a student for each seed; what is told is their mean metric on
the selection split, which chooses. Nothing is computed here: runs are asked for and read.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from sparsekd.errors import BadInput, Cancelled, SparseKDError, Unavailable
from sparsekd.runs import references, store
from sparsekd.runs.records import Plan, Run, State, Step
from sparsekd.studies import sweep
from sparsekd.studies.sweep import Sweep
from sparsekd.system import locks
from sparsekd.system.files import disk_trouble

if TYPE_CHECKING:
    import optuna

Make = Callable[[Sequence[Step]], Mapping[str, Run]]
Hear = Callable[["Tried"], None]

STEP = 0.001  # λ and sparsity are tried in thousandths: recipes stay readable
BEFORE = ("teacher", "trial_student", "scores")  # what every trial starts from
ONE_CELL = ("sparse_teacher", "student")


@dataclass(frozen=True)
class Tried:
    """One (λ, sparsity) that was tried; `selected` is None where a run of it failed."""

    number: int
    lam: float
    sparsity: float
    selected: float | None


@dataclass(frozen=True)
class Found:
    """A finished search: its trials in order, and all runs that it asked for."""

    trials: tuple[Tried, ...]
    plan: Plan

    @property
    def best(self) -> Tried | None:
        """The first of the highest; None where every trial failed."""
        counted = [trial for trial in self.trials if trial.selected is not None]
        return max(counted, key=lambda trial: trial.selected or -math.inf, default=None)


def search(
    asked: Sweep,
    trials: int,
    make: Make,
    hear: Hear = lambda trial: None,
    command: str = "",
) -> Found:
    """Try so many (λ, sparsity), then make the controls, with as many tries of the dense teacher.

    A search that was killed goes on with the trial that it was at, and later trials are what
    they would have been; more trials continue it.

    Args:
        asked: Of one method; λ and sparsity range from the least to the greatest of its grids.
        make: Makes the runs of some steps and returns all of them, however they ended.
        hear: Is told of each trial as it ends.
        command: The words that repeat the search.

    Raises:
        BadInput: no trials, several methods, nothing to range over, a broken journal, or this
            very search is going on elsewhere.
        Unavailable: Optuna is not installed. Cancelled: somebody stopped a run of a trial.
    """
    _check(asked, trials)
    path = journal(asked)
    refusal = f"This search is being made by another process ({path.name})."
    with locks.holding(path.with_suffix(".lock"), refusal):
        study = _study(path)
        while (trial := _next(study, trials)) is not None:
            hear(_tried(study, trial, asked, make))
        done = tuple(_trial(each) for each in study.get_trials()[:trials])
    plan = replace(_plan(asked, done), command=command)
    store.save_plan(plan)
    make(plan.steps)
    return Found(done, plan)


def sketch(asked: Sweep, trials: int) -> Plan:
    """A plan as large as that of a search, with other λ and sparsities: for what it costs.

    Raises:
        BadInput: see `search`.
    """
    _check(asked, trials)
    (least, most), (low, high) = _box(asked).values()
    lam, step = (least + most) / 2, (high - low) / max(trials - 1, 1)
    return _plan(asked, [Tried(n, lam, round(low + n * step, 3), None) for n in range(trials)])


def journal(asked: Sweep) -> Path:
    """Where a search remembers its trials: one file for one question, however many are asked for.

    Raises:
        BadInput: see `search`.
    """
    method, parts = asked.methods[0], ("train", "student", "score", "mask")
    question = {
        "task": asked.task,
        "teacher": asked.teacher.run_id,
        "method": [method, asked.params(method).values()],
        "box": _box(asked),
        "seeds": asked.seeds,
    } | {part: getattr(asked, part).values() for part in parts}
    digest = hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()
    return store.home() / "searches" / f"{digest[:12]}.journal"


def _check(asked: Sweep, trials: int) -> None:
    sweep.check(asked)
    if trials < 1:
        raise BadInput(f"A search of {trials} trials finds nothing.", "Ask for 20, say.")
    if len(asked.methods) != 1:
        names = ", ".join(asked.methods)
        raise BadInput(f"A search is for one method, not for {names}.", "Search for each apart.")
    _box(asked)


def _box(asked: Sweep) -> dict[str, tuple[float, float]]:
    """From the least to the greatest λ, and sparsity at which something is removed."""
    if not asked.sparse:
        raise BadInput("Sparsity 0 alone leaves nothing to search.", "Give a range: 0.1,0.9.")
    grids = {"lam": asked.lams, "sparsity": asked.sparse}
    return {name: (round(min(grid), 3), round(max(grid), 3)) for name, grid in grids.items()}


# --- asking and telling ------------------------------------------------------------------------


def _study(path: Path) -> "optuna.Study":
    """The search as far as its journal knows it.

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
        _mended(path)
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
        return optuna.create_study(
            storage=storage, study_name=path.stem, direction="maximize", load_if_exists=True
        )
    except OSError as error:
        raise disk_trouble(path, error) from error
    except (ValueError, KeyError) as error:  # a line that is no JSON, or no log of Optuna's
        raise BadInput(
            f"The journal {path} is broken: {error}.",
            "Delete it: the runs are kept, and the search tries the same again.",
        ) from error


def _mended(path: Path) -> None:
    """Undo what a killed search may leave: Optuna's lock, and half a line.

    Only the holder of this search's own lock comes here.
    """
    Path(f"{path}.lock").unlink(missing_ok=True)
    if path.exists():
        whole = path.read_bytes().rfind(b"\n") + 1
        if whole < path.stat().st_size:
            os.truncate(path, whole)


def _next(study: "optuna.Study", trials: int) -> "optuna.Trial | None":
    """The trial that was not ended, or another one; None when there are as many as asked for."""
    from optuna import Trial
    from optuna.trial import TrialState

    known = study.get_trials(deepcopy=False)
    for each in known[:trials]:
        if each.state is TrialState.RUNNING:
            return Trial(study, each._trial_id)
    return study.ask() if len(known) < trials else None


def _tried(study: "optuna.Study", trial: "optuna.Trial", asked: Sweep, make: Make) -> Tried:
    """Make a trial's runs and tell what came of it."""
    from optuna.trial import TrialState

    lam, sparsity = (_suggested(study, trial, name, *ends) for name, ends in _box(asked).items())
    cells = [sweep.cell(asked, asked.methods[0], lam, sparsity, seed) for seed in asked.seeds]
    steps = _unique(step for cell in cells for step in cell)
    selected = _selected(asked.task, steps, make(steps))
    if selected is None:
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, selected)
    return Tried(trial.number, lam, sparsity, selected)


def _suggested(
    study: "optuna.Study", trial: "optuna.Trial", name: str, low: float, high: float
) -> float:
    """A value that hangs on this trial's number and on those that ended before it alone."""
    from optuna.samplers import TPESampler

    draw = hashlib.sha256(f"{study.study_name} {trial.number} {name}".encode()).digest()
    study.sampler = TPESampler(seed=int.from_bytes(draw[:4]))
    return round(trial.suggest_float(name, low, high, step=STEP), 3)


def _selected(task: str, steps: Sequence[Step], runs: Mapping[str, Run]) -> float | None:
    """The students' mean metric on the selection split; None where a run of this trial failed.

    Raises:
        Cancelled: somebody stopped a run. SparseKDError: what every trial starts from failed.
    """
    for step in steps:
        run = runs[step.recipe.run_id]
        if run.state in (State.CANCELLED, State.INTERRUPTED):
            raise Cancelled(f"Run {run.id} was {run.state}.", "The same search goes on.")
        if run.state is State.FAILED and step.role in BEFORE:
            raise SparseKDError(f"Run {run.id} failed: {run.outcome.message}", run.outcome.hint)
    students = [runs[step.recipe.run_id] for step in steps if step.role == "student"]
    if any(run.state is not State.DONE for run in students):
        return None
    metric = references.card(task).metrics[0]
    mean = fmean(run.outcome.metrics["selection"][metric] for run in students)
    return mean if math.isfinite(mean) else None


def _trial(told: "optuna.trial.FrozenTrial") -> Tried:
    lam, sparsity = (round(told.params[name], 3) for name in ("lam", "sparsity"))
    return Tried(told.number, lam, sparsity, told.value)


# --- all that was asked for ----------------------------------------------------------------------


def _plan(asked: Sweep, done: Sequence[Tried]) -> Plan:
    """The trials' runs, then the controls at the sparsities that were tried.

    What is chosen from are the trials and sparsity 0, the trial student: the dense teacher's
    student has as many tries.
    """
    method, tried = asked.methods[0], sorted({each.sparsity for each in done})
    steps: list[Step] = []
    for seed in asked.seeds:
        for each in done:
            steps += sweep.cell(asked, method, each.lam, each.sparsity, seed)
        for lam in (0.0, 1.0) if "ends" in asked.controls else ():
            for sparsity in tried:
                steps += _control(sweep.cell(asked, method, lam, sparsity, seed))
    steps += _around(asked, tried)
    if "dense_tries" in asked.controls:
        attempts = range(1, len(done) + 1)
        steps += [sweep.dense_try(asked, method, s, a) for s in asked.seeds for a in attempts]
    seeds = f"{len(asked.seeds)} seed{'s' if len(asked.seeds) > 1 else ''}"
    title = f"{asked.task} · search, {len(done)} trials × {seeds}"
    return Plan(title, asked.task, tuple(_unique(steps)), "sweep")


def _control(cell: list[Step]) -> list[Step]:
    """A cell that is compared with, not chosen from."""
    return [replace(one, role="lam_control") if one.role == "student" else one for one in cell]


def _around(asked: Sweep, tried: list[float]) -> list[Step]:
    """The controls that the grid of the same sparsities would have, but for its λ."""
    controls = tuple(name for name in asked.controls if name not in ("dense_tries", "ends"))
    grid = replace(asked, lams=(0.5,), sparsities=tuple(tried), controls=controls)
    return [step for step in sweep.plan(grid).steps if step.role not in (*BEFORE, *ONE_CELL)]


def _unique(steps: Iterable[Step]) -> list[Step]:
    """Each run once, in the first of its roles."""
    found: dict[str, Step] = {}
    for step in steps:
        found.setdefault(step.recipe.run_id, step)
    return list(found.values())
