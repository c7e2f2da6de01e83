"""The runs of a search over λ and sparsity: its trials' cells, and the controls."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sparsekd.errors import BadInput
from sparsekd.runs.records import Plan, Step
from sparsekd.studies.sweeps import sweep
from sparsekd.studies.sweeps.sweep_spec import EXTREME_LAMBDAS, SweepSpec
from sparsekd.studies.sweeps.sweep_spec import check as check_spec
from sparsekd.system.wording import counted

SHARED_ROLES = ("teacher", "trial_student", "scores")  # made once, used by every trial
TRIAL_ROLES = ("sparse_teacher", "student")


@dataclass(frozen=True)
class SearchTrial:
    """One (λ, sparsity) with its mean metric on the selection split; None where a run failed."""

    number: int
    lam: float
    sparsity: float
    selected: float | None


def check(spec: SweepSpec, trials: int) -> None:
    """Check that a request can be searched.

    Raises:
        BadInput: no trials, several methods, or no range.
    """
    check_spec(spec)
    if trials < 1:
        raise BadInput(f"A search of {trials} trials finds nothing.", "Ask for 20, say.")
    if len(spec.methods) != 1:
        names = ", ".join(spec.methods)
        raise BadInput(f"A search is for one method, not for {names}.", "Search for each apart.")
    ranges(spec)


def ranges(spec: SweepSpec) -> dict[str, tuple[float, float]]:
    """Return the least and the greatest λ, and positive sparsity."""
    if not spec.positive_sparsities:
        raise BadInput("Sparsity 0 alone leaves nothing to search.", "Give a range: 0.1,0.9.")
    grids = {"lam": spec.lams, "sparsity": spec.positive_sparsities}
    return {name: (round(min(grid), 3), round(max(grid), 3)) for name, grid in grids.items()}


def plan(spec: SweepSpec, trials: Sequence[SearchTrial]) -> Plan:
    """Return the trials' runs, then the controls at the sparsities that were tried.

    λ and sparsity are chosen among the trials and sparsity 0, the trial student.
    """
    method, tried = spec.methods[0], sorted({trial.sparsity for trial in trials})
    steps: list[Step] = []
    for seed in spec.seeds:
        for trial in trials:
            steps += sweep.cell_steps(spec, method, trial.lam, trial.sparsity, seed)
        for lam in EXTREME_LAMBDAS if "extreme_lambdas" in spec.controls else ():
            for sparsity in tried:
                steps += _as_control(sweep.cell_steps(spec, method, lam, sparsity, seed))
    steps += _mask_controls(spec, tried)
    title = f"{spec.task} · search, {len(trials)} trials × {counted(len(spec.seeds), 'seed')}"
    return Plan(title, spec.task, tuple(sweep.unique(steps)), "sweep")


def expected_plan(spec: SweepSpec, trials: int) -> Plan:
    """Return a plan as large as that of a search, with other λ and sparsities, to estimate costs.

    Raises:
        BadInput: see `check`.
    """
    check(spec, trials)
    (least, most), (low, high) = ranges(spec).values()
    lam, step = (least + most) / 2, (high - low) / max(trials - 1, 1)
    return plan(spec, [SearchTrial(n, lam, round(low + n * step, 3), None) for n in range(trials)])


def _as_control(cell: list[Step]) -> list[Step]:
    """Return a cell that is not chosen from."""
    return [replace(step, role="lam_control") if step.role == "student" else step for step in cell]


def _mask_controls(spec: SweepSpec, sparsities: list[float]) -> list[Step]:
    """Return the controls that the grid of these sparsities has, except those of λ."""
    controls = tuple(name for name in spec.controls if name != "extreme_lambdas")
    grid = replace(spec, lams=(0.5,), sparsities=tuple(sparsities), controls=controls)
    return [s for s in sweep.plan(grid).steps if s.role not in (*SHARED_ROLES, *TRIAL_ROLES)]
