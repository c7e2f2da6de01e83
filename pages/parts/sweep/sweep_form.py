"""The form of a trade-off study: teacher, grid, controls, student and budget, cost, launch."""

from dataclasses import replace

import streamlit as st

from pages.parts.compare import comparison_form
from pages.parts.forms import (
    fields,
    launch_cost,
    model_picker,
    student_form,
    task_picker,
    teacher_picker,
)
from pages.parts.forms.power_note import draw_power
from pages.parts.shell import frame, url_state
from pages.parts.sweep.label_fields import draw_label_axes, draw_values
from sparsekd.catalog import rankings
from sparsekd.catalog.fields import validated
from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.runs import label_checks, store
from sparsekd.runs.records import Plan, Recipe, State
from sparsekd.scheduler.capacity import parallel_runs
from sparsekd.studies import cost, recipes, stats, training_cost
from sparsekd.studies.sweeps import sweep, sweep_spec
from sparsekd.studies.sweeps.label_axes import LABEL_AXES
from sparsekd.studies.sweeps.sweep_defaults import (
    default_sweep,
    extended_seeds,
    sweep_methods,
)
from sparsekd.studies.sweeps.sweep_spec import SweepSpec
from sparsekd.studies.teacher_kinds import ANSWER_CONTROLS
from sparsekd.system.wording import counted
from sparsekd.tasks.demo import DEMO_CHECKPOINTS

READY, NEW = "A fine-tuned one", "From a checkpoint, as a part of the study"
MOST_SEEDS = 100
CONTROL_LABELS = {
    "plain": "No soft labels",
    **{name: f"{rankings.find(name).title} mask" for name in rankings.CONTROLS},
    "extreme_lambdas": "λ = 0 and λ = 1",
    **{name: words[0].upper() + words[1:] for name, words in ANSWER_CONTROLS.items()},
}


def draw_sweep_form(start: Plan | None) -> None:
    """Draw the whole form, filled from a study where one is given, and the launch."""
    filled = sweep.spec_of(start) if start else None
    st.markdown("##### 1. Task and teacher")
    teacher = choose_teacher(filled)
    if teacher is None:
        return
    key = f"sweep.{start.id if start else ''}.{teacher.run_id}"
    spec = filled or default_sweep(teacher)
    st.markdown("##### 2. Grid and controls")
    spec = draw_grid(replace(spec, task=teacher.task, teacher=teacher), key)
    st.markdown("##### 3. Student and budget, the same for all")
    spec = draw_budget(spec, key)
    finished = filled is not None or st.session_state.get("sweep.source", NEW) == READY
    st.markdown("##### 4. Gold labels")
    draw_launch(draw_label_axes(spec, key, finished))


# --- teacher ---------------------------------------------------------------------------------


def choose_teacher(filled: SweepSpec | None) -> Recipe | None:
    """Draw the choice of a finished teacher or of a new one; None while it is open."""
    if filled is not None:
        teacher = filled.teacher
        st.markdown(f"Teacher **{teacher.run_id}** on **{frame.plain(filled.task)}**")
        return teacher
    ready = bool(store.runs("finetune", [State.DONE]))
    source = READY if ready else NEW
    if ready:
        source = st.segmented_control(
            "Teacher",
            [READY, NEW],
            default=READY,
            required=True,
            key="sweep.source",
            label_visibility="collapsed",
        )
    if source == READY:
        return teacher_picker.choose_teacher(None, dense_only=True).recipe
    return _draw_new_teacher()


def _draw_new_teacher() -> Recipe | None:
    """Draw task, checkpoint and training of a new teacher; None while the choice is open."""
    card = task_picker.choose_task()
    checkpoint = model_picker.choose_checkpoint(card) if card else None
    if card is None or checkpoint is None:
        return None
    train, _, _ = recipes.defaults(checkpoint)
    if checkpoint not in DEMO_CHECKPOINTS:
        with st.expander("How the teacher is fine-tuned", icon=":material/school:"):
            values = fields.draw_training(f"sweep.teacher.{checkpoint}", train.values(), columns=3)
        train = validated(TrainParams, values)
    return recipes.finetune(card.name, checkpoint, train)


# --- grid and controls -----------------------------------------------------------------------


def draw_grid(spec: SweepSpec, key: str) -> SweepSpec:
    """Draw λ, sparsities, seeds, methods and controls."""
    left, right = st.columns(2)
    with left:
        lams = draw_values(
            "λ",
            spec.lams,
            sweep_spec.DEFAULT_LAMBDAS,
            f"{key}.lams",
            "1 keeps the units that the task needs (expressiveness), 0 those that the student can "
            "learn (friendliness). Type another value to add it.",
        )
    with right:
        sparse = draw_values(
            "Sparsities",
            spec.positive_sparsities,
            sweep_spec.DEFAULT_SPARSITIES[1:],
            f"{key}.sparsities",
            "Shares of the teacher's heads and neurons that are removed. 0, the dense teacher, "
            "is always included. Type another value to add it.",
        )
    left, right = st.columns([1, 3])
    with left:
        seeds = st.number_input(
            "Seeds",
            1,
            MOST_SEEDS,
            len(spec.seeds),
            key=f"{key}.seeds",
            help=f"One student per cell and seed; a verdict needs at least {stats.LEAST_SEEDS}. "
            "More can be added later.",
        )
    with right:
        methods = _choose_methods(spec, key)
    controls = _choose_controls(spec, key)
    return replace(
        spec,
        lams=lams,
        sparsities=(0.0, *(sparsity for sparsity in sparse if sparsity != 0)),
        seeds=extended_seeds(spec.seeds, int(seeds)),
        methods=methods,
        controls=tuple(name for name in sweep_spec.ALL_CONTROLS if name in controls),
        changes=comparison_form.draw_method_fields(methods, f"{key}.of", spec.changes),
    )


def _choose_methods(spec: SweepSpec, key: str) -> tuple[str, ...]:
    chosen: list[str] = st.multiselect(
        "Methods",
        sweep_methods(),
        list(spec.methods),
        key=f"{key}.methods",
        format_func=lambda name: METHODS[name].title,
        help="Each method has the whole grid and its own controls.",
    )
    return tuple(chosen)


def _choose_controls(spec: SweepSpec, key: str) -> list[str]:
    chosen: list[str] = st.pills(
        "Controls",
        list(CONTROL_LABELS),
        selection_mode="multi",
        default=spec.controls,
        format_func=lambda name: CONTROL_LABELS[name],
        key=f"{key}.controls",
        help="Students to compare with. As many tries: the dense teacher's student is trained "
        "once per cell, and the best is chosen on the selection split, as among the cells.",
    )
    return chosen


# --- student, budget, cost -------------------------------------------------------------------


def draw_budget(spec: SweepSpec, key: str) -> SweepSpec:
    """Draw student and training, and how units are scored and removed."""
    shape = student_form.draw_student_form(key, spec.student.values())
    values = fields.draw_fields(
        TrainParams, key, spec.train.values(), fields.TRAINING, LABEL_AXES, columns=5
    )
    with st.expander("How heads and neurons are scored and removed", icon=":material/grid_on:"):
        score = fields.draw_fields(
            ScoreParams, f"{key}.score", spec.score.values(), without=("split",)
        )
        without = tuple(
            name for name in MaskParams.model_fields if name not in sweep_spec.SHARED_MASK_FIELDS
        )
        mask = fields.draw_fields(MaskParams, f"{key}.mask", spec.mask.values(), without=without)
    return replace(
        spec,
        student=validated(StudentParams, shape),
        train=validated(TrainParams, values),
        score=validated(ScoreParams, score),
        mask=validated(MaskParams, mask),
    )


def draw_launch(specs: list[SweepSpec]) -> None:
    """Draw the cost, and the button that queues the missing runs."""
    plans = [sweep.plan(each) for each in specs]
    spec, plan = specs[0], sweep.joined(plans)
    with store.reading(None):  # whatever is shown, runs are launched in one's own store
        budget = cost.estimate(plan, frame.chosen_device())
        stored = {other.id for other in store.plans()}
    words = f"**{counted(len(plan.steps), 'run')}**: {sweep_spec.describe_grid(spec)}"
    words += f", with {len(specs)} choices of gold labels." if len(specs) > 1 else "."
    if spec.positive_sparsities:
        words += f" Each method chooses from {counted(spec.cell_count, 'cell')}."
    st.markdown(words)
    time = cost.in_words(budget, parallel_runs(frame.chosen_device()))
    runs = [step.recipe for step in plan.steps]
    memory = training_cost.memory(runs, frame.chosen_device())
    st.caption(frame.plain(f"{time} {memory}"))
    launch_cost.draw_learning_rates(runs)
    comparisons = sum(each.comparison_count for each in specs)
    labelled, seeds = spec.train.labelled, len(spec.seeds)
    draw_power(spec.task, spec.teacher, labelled, seeds, comparisons, "sweep")
    complete = not budget.missing and stored.issuperset(each.id for each in plans)
    new = budget.missing == len(plan.steps)
    if st.button(
        "Start the trade-off study" if new else "Run what is missing",
        type="primary",
        icon=":material/play_arrow:",
        key="sweep.go",
        disabled=complete,
        help="All runs are finished." if complete else None,
    ):
        label_checks.check(runs)  # of all studies, before the first is launched
        for each in plans:
            frame.submit_plan(each)
        url_state.jump(study="")
