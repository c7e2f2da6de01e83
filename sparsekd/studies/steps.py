"""The steps of a study: what exists, and what comes next."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd

from sparsekd.catalog import rankings
from sparsekd.runs import store
from sparsekd.runs.records import Plan, Run, State
from sparsekd.studies import roles
from sparsekd.studies.teacher_kinds import ANSWER_CONTROLS

CONTROLS = tuple(map(rankings.find, rankings.CONTROLS))
STOPPED = (State.FAILED, State.INTERRUPTED)
_BY_URGENCY = (State.RUNNING, *STOPPED, State.CANCELLED, State.QUEUED)


@dataclass(frozen=True)
class StudyStep:
    """A step of a study, and the roles whose runs make it."""

    name: str
    title: str
    roles: tuple[str, ...]
    help: str


STUDY_STEPS = (
    StudyStep(
        "teacher",
        "Fine-tune",
        ("teacher",),
        "The teacher: a checkpoint trained on the task's gold labels.",
    ),
    StudyStep(
        "trial_student",
        "Trial student",
        ("trial_student",),
        "A student of the dense teacher: the scores are measured for it.",
    ),
    StudyStep(
        "scores",
        "Scores",
        ("scores",),
        "What each head and neuron is worth to the task and to the student.",
    ),
    StudyStep(
        "sparse_teacher",
        "Sparsify",
        ("sparse_teacher",),
        "The teacher without the heads and neurons of the lowest scores.",
    ),
    StudyStep(
        "student",
        "Rewind",
        ("student",),
        "A new student of the sparse teacher, from the trial student's initial weights.",
    ),
    StudyStep(
        "controls",
        "Compare",
        ("plain_student", "random_mask_teacher", "random_mask_student"),
        "The controls: no soft labels, and a randomly masked teacher.",
    ),
)
SWEEP_STEPS = (
    STUDY_STEPS[0],
    StudyStep(
        "trial_student",
        "Trial students",
        ("trial_student",),
        "A student of the dense teacher for each seed: the cell at sparsity 0.",
    ),
    STUDY_STEPS[2],
    StudyStep(
        "sparse_teacher",
        "Sparse teachers",
        ("sparse_teacher", *(f"{card.role}_teacher" for card in CONTROLS)),
        "A teacher for each λ, sparsity and seed; others pruned "
        f"{' and '.join(card.phrase for card in CONTROLS)}.",
    ),
    StudyStep("cells", "Students", ("student",), "One for each λ, sparsity and seed."),
    StudyStep(
        "sweep_controls",
        "Controls",
        (
            *("plain_student", "dense_try", "lam_control"),
            *(f"{name}_student" for name in ANSWER_CONTROLS),
            *(f"{card.role}_student" for card in CONTROLS),
        ),
        "Students that show what the choice of λ and sparsity is worth.",
    ),
)


@dataclass(frozen=True)
class StepProgress:
    """How many runs of a step are done, and the state that matters most."""

    done: int
    total: int
    state: State | None


def steps_of(plan: Plan | None) -> tuple[StudyStep, ...]:
    """Return the steps of a StarK study, of a trade-off study, or of a comparison."""
    if plan is None or plan.kind == "study":
        return STUDY_STEPS
    if plan.kind == "sweep":
        there = {step.role for step in plan.steps}
        return tuple(step for step in SWEEP_STEPS if there.intersection(step.roles))
    return _comparison_steps(plan)


def _comparison_steps(plan: Plan) -> tuple[StudyStep, ...]:
    names = dict.fromkeys(step.role for step in plan.steps)
    teachers = tuple(name for name in names if roles.is_teacher(name))
    compared = tuple(name for name in names if roles.is_compared(name))
    between = tuple(name for name in names if name not in (*teachers, *compared))
    found = (
        StudyStep("teacher", "Fine-tune", teachers, "The teachers, shared by all variants."),
        StudyStep(
            "intermediate",
            "Intermediate runs",
            between,
            "Trial students, scores, sparse teachers and assistants that some methods need.",
        ),
        StudyStep(
            "compared",
            f"Compare {len(compared)} variants",
            compared,
            "One student for each variant and seed, on the same data and budget.",
        ),
    )
    return tuple(step for step in found if step.roles)


def step_progress(plan: Plan | None) -> list[StepProgress]:
    """Return how far each step is; without a plan, going by all runs in the store.

    A step of which a study that grew from runs launched singly has no run yet has no state.
    """
    if plan is None:
        return [_progress(runs, len(runs)) for runs in _runs_by_step()]
    runs = store.plan_runs(plan)
    names = [_run_ids(plan, step) for step in steps_of(plan)]
    return [_progress([runs[n] for n in each if n in runs], len(each)) for each in names]


def next_step(plan: Plan | None) -> StudyStep | None:
    """Return the first step that is not done; None after the last."""
    pairs = zip(steps_of(plan), step_progress(plan), strict=True)
    return next((step for step, progress in pairs if progress.state is not State.DONE), None)


def _run_ids(plan: Plan, step: StudyStep) -> list[str]:
    return [one.recipe.run_id for one in plan.steps if one.role in step.roles]


def _progress(runs: list[Run], total: int) -> StepProgress:
    states = [run.state for run in runs]
    done = states.count(State.DONE)
    state = next((state for state in _BY_URGENCY if state in states), None)
    return StepProgress(done, total, State.DONE if runs and done == total else state)


def _runs_by_step() -> list[list[Run]]:
    """Return the runs of each step of a StarK study, whether or not a plan has asked for them."""
    runs = store.runs()
    pruned = {run.id for run in runs if run.recipe.stage == "prune"}
    taught = [r for r in runs if r.recipe.stage == "distil" and r.recipe.method != "fine_tuning"]
    return [
        [run for run in runs if run.recipe.stage == "finetune"],
        [run for run in taught if run.recipe.inputs["teacher"] not in pruned],
        [run for run in runs if run.recipe.stage == "score"],
        [run for run in runs if run.id in pruned],
        [run for run in taught if run.recipe.inputs["teacher"] in pruned],
        [],
    ]


# --- numbers ---------------------------------------------------------------------------------


def share_done(plan: Plan, runs: Mapping[str, Run]) -> float:
    """Return the share of a plan that is done, 0–1; a running run counts in part."""
    parts = [
        1.0 if run.state is State.DONE else run.progress.share
        for run in runs.values()
        if run.state in (State.DONE, State.RUNNING)
    ]
    return min(1.0, sum(parts) / len(plan.steps))


def progress_table(plan: Plan, runs: Mapping[str, Run]) -> pd.DataFrame:
    """Return one row per step: step, share, done, of, running, stopped."""
    rows = []
    for step in steps_of(plan):
        names = _run_ids(plan, step)
        counts = Counter(runs[name].state for name in names if name in runs)
        rows.append(
            {
                "step": step.title,
                "share": counts[State.DONE] / len(names),
                "done": counts[State.DONE],
                "of": len(names),
                "running": counts[State.RUNNING],
                "stopped": sum(counts[state] for state in STOPPED),
            }
        )
    return pd.DataFrame(rows)


def states_in_words(runs: Iterable[Run], total: int) -> str:
    """Return how many of `total` runs are in each state, those that are done left out."""
    counts = Counter(run.state for run in runs)
    words = [
        f"{counts[state]:,} {state.value}"
        for state in State
        if counts[state] and state is not State.DONE
    ]
    missing = total - sum(counts.values())
    return ", ".join([*words, f"{missing:,} not started"] if missing > 0 else words)


def reasons(runs: Iterable[Run]) -> Counter[str]:
    """Return why runs stopped: how many gave each message."""
    return Counter(f"{run.outcome.message} {run.outcome.hint}".strip() for run in runs)
