"""Distil: train a student, run a whole StarK study, or compare methods."""

from typing import Any

import streamlit as st

from pages.parts.compare import comparison_form, method_charts, model_quality
from pages.parts.forms import answers_picker, fields, launch_cost, student_form, teacher_picker
from pages.parts.runs import export, run_buttons
from pages.parts.shell import class_mode, frame, live, url_state
from sparsekd.catalog.fields import validated
from sparsekd.catalog.method_card import MethodCard
from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.runs import references, store
from sparsekd.runs.records import Recipe, Run, State
from sparsekd.studies import recipes, stark, stats
from sparsekd.studies.launch import plan_launch, students_launch
from sparsekd.tasks.cards import TaskCard

ONE, STUDY, COMPARE = "One student", "A study with controls", "Compare methods"
MOST_SEEDS = 20


# --- finished and running students -----------------------------------------------------------


def draw_students(runs: list[Run]) -> None:
    """Draw the choice of a student; its state, curves, buttons and export."""
    run = choose_student(runs)

    def draw() -> None:
        now = store.get(run.id)
        live.draw_run_state(now)
        live.draw_curves(now, f"student.{run.id}")
        method_charts.draw_method(now, f"student.{run.id}")

    model_quality.draw_metrics(run, references.cards().get(run.recipe.task))
    live.poll(draw, [run], f"student.{run.id}")
    with st.container(horizontal=True):
        run_buttons.draw_run_buttons(run, f"student.{run.id}")
        if st.button(
            "Clone",
            icon=":material/content_copy:",
            key="clone",
            help="Fill the form below with this run's parameters.",
        ):
            st.session_state["distil.clone"] = run.id
            st.rerun()
    if run.state is State.DONE and class_mode.is_lecturer():
        export.draw_export(run)


def choose_student(runs: list[Run]) -> Run:
    """Draw the choice of a student; at first the running one, else the latest."""
    names, title = {run.id: run for run in runs}, frame.run_titles()
    usual = next((run.id for run in runs if run.state is State.RUNNING), runs[0].id)
    key = url_state.bound_among("run", "student", names, usual)

    def label(name: str) -> str:
        run = names[name]
        return f"{title(run.recipe)} · {run.recipe.task} · {run.state.value} · {run.id}"

    chosen = st.selectbox("Student", list(names), format_func=label, key=key)
    url_state.write(run=chosen)
    return names[chosen]


# --- the form --------------------------------------------------------------------------------


def draw_form() -> None:
    """Draw the form of what is chosen: one student, a study, or a comparison."""
    cloned = choose_clone()
    mark = cloned.id if cloned else ""
    mode = st.segmented_control(
        "What to run", [ONE, STUDY, COMPARE], default=ONE, required=True, key=f"distil.mode.{mark}"
    )
    if mode == COMPARE:
        comparison_form.draw_comparison_form()
        return
    st.markdown("##### 1. Method")
    card = choose_method(cloned, study=mode == STUDY)
    start = cloned.recipe.params["method"] if cloned else {}
    method = fields.draw_fields(card.params, f"distil.{card.name}.{mark}", start)
    st.markdown("##### 2. Teacher")
    teacher = teacher_picker.choose_teacher(cloned, dense_only=mode == STUDY)
    if mode == STUDY:
        draw_study_form(card, method, teacher, cloned)
    else:
        draw_student_form(card, method, teacher, cloned)


def draw_student_form(
    card: MethodCard, method: dict[str, Any], teacher: Run, cloned: Run | None
) -> None:
    """Draw the rest of the form of one student per seed, and its launch."""
    task = references.card(teacher.recipe.task)
    answers = answers_picker.choose_answers(task, cloned)
    others = teacher_picker.choose_further_teachers(teacher, card, cloned)
    scores = None if answers else choose_scores(teacher)
    mask = draw_mask_fields() if scores else MaskParams()
    train, student, seeds = draw_budget(teacher, cloned)
    params = validated(card.params, method)
    source, wanted = answers or teacher.id, []
    if scores is not None:
        length = scores.recipe.params["max_length"]
        pruned = recipes.prune(task.name, teacher.id, scores.id, mask, length)
        source, wanted = pruned.run_id, [pruned]
    init = references.dense(teacher.id)
    wanted += [
        recipes.distil(task.name, card.name, source, train, params, student, init, seed, others)
        for seed in seeds
    ]
    draw_launch(wanted, task, train)


def draw_study_form(
    card: MethodCard, method: dict[str, Any], teacher: Run, cloned: Run | None
) -> None:
    """Draw the rest of the form of a StarK study, and its launch."""
    task = references.card(teacher.recipe.task)
    mask = draw_mask_fields()
    train, student, seeds = draw_budget(teacher, cloned)
    study = stark.StudySpec(
        task.name,
        teacher.recipe.inputs["checkpoint"],
        train=train,
        student=student,
        method=card.name,
        method_params=validated(card.params, method),
        score=draw_score_fields(cloned.id if cloned else ""),
        mask=mask,
        seeds=seeds,
        finetuned=teacher.recipe,
    )
    draw_study_launch(study, task, train)


def choose_clone() -> Run | None:
    """Draw which run's parameters fill the form, and return that run."""
    name = st.session_state.get("distil.clone", "")
    run = store.get_many([name]).get(name)
    if run:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"Filled with the parameters of run {run.id}.")
            if st.button("Start from the defaults", type="tertiary", key="distil.unclone"):
                del st.session_state["distil.clone"]
                st.rerun()
    return run


def choose_method(cloned: Run | None, study: bool) -> MethodCard:
    """Draw the choice of a method; a study takes one of a single teacher."""
    names = [n for n, card in METHODS.items() if card.least_teachers == 1 or not study]
    wanted = cloned.recipe.method if cloned else "vanilla"
    name = st.radio(
        "Method",
        names,
        names.index(wanted) if wanted in names else 0,
        format_func=lambda name: METHODS[name].title,
        captions=[
            f"{METHODS[n].summary} {METHODS[n].label_words} {METHODS[n].source}." for n in names
        ],
        key=f"distil.method.{study}.{cloned.id if cloned else ''}",
        label_visibility="collapsed",
    )
    return METHODS[name]


def choose_scores(teacher: Run) -> Run | None:
    """Draw whether the teacher is pruned first, and return the scores that decide how."""
    if teacher.recipe.stage == "prune":
        return None
    runs = store.runs("score", [State.DONE])
    options: list[Run | None] = [None]
    options += [run for run in runs if run.recipe.inputs["teacher"] == teacher.id]
    chosen: Run | None = st.selectbox(
        "Sparse teacher",
        options,
        format_func=lambda run: f"yes, by scores {run.id}" if run else "no, the dense teacher",
        key=f"distil.scores.{teacher.id}",
        help="Scores are measured on the page Scores, for a trial student.",
    )
    return chosen


def draw_mask_fields() -> MaskParams:
    """Draw λ and the sparsities, which start from the address."""
    state = url_state.read()
    start = {name: getattr(state, name) for name in ("lam", "sparsity", "neuron_sparsity")}
    start |= {"round_to": state.round_to, "normalise": state.normalise}
    first = ("lam", "sparsity", "neuron_sparsity")
    values = fields.draw_fields(MaskParams, "distil.mask", start, first, ("kind",))
    return validated(MaskParams, values)


def draw_score_fields(mark: str) -> ScoreParams:
    """Draw how a study measures its scores."""
    with st.expander("How heads and neurons are scored", icon=":material/grid_on:"):
        key = f"distil.score.{mark}"
        values = fields.draw_fields(ScoreParams, key, without=("split",), columns=4)
    return validated(ScoreParams, values)


def draw_budget(
    teacher: Run, cloned: Run | None
) -> tuple[TrainParams, StudentParams, tuple[int, ...]]:
    """Draw student, training and seeds; they start from the clone, else from the defaults."""
    st.markdown("##### 3. Student and budget")
    mark = cloned.id if cloned else ""
    key = f"distil.{teacher.recipe.task}.{mark}"
    if cloned:
        training, shape = cloned.recipe.params["train"], cloned.recipe.params["student"]
    else:
        _, train, student = recipes.defaults(references.origin(teacher.id))
        training, shape = train.values(), student.values()
    shape = student_form.draw_student_form(key, shape)
    training = fields.draw_training(key, training)
    seeds = st.number_input(
        "Seeds",
        1,
        MOST_SEEDS,
        1 + (cloned.recipe.seed if cloned else 0),
        key=f"distil.seeds.{mark}",
        width=160,
        help=f"Seeds 0, 1, 2 …: a verdict needs at least {stats.LEAST_SEEDS}.",
    )
    return (
        validated(TrainParams, training),
        validated(StudentParams, shape),
        tuple(range(int(seeds))),
    )


# --- launching -------------------------------------------------------------------------------


def draw_launch(wanted: list[Recipe], task: TaskCard, train: TrainParams) -> None:
    """Draw the estimate, and the button that queues the runs."""
    launch = students_launch(wanted)
    launch_cost.draw_estimate(task, train, launch.trainings, launch.what, wanted)
    if st.button("Distil", type="primary", icon=":material/play_arrow:", key="distil.go"):
        frame.submit(wanted)
        st.session_state.pop("distil.clone", None)
        student = next(recipe for recipe in wanted if recipe.stage == "distil")
        url_state.jump(run=student.run_id)


def draw_study_launch(study: stark.StudySpec, task: TaskCard, train: TrainParams) -> None:
    """Draw the estimate of a study, and the button that queues it."""
    plan = stark.plan(study)
    launch = plan_launch(plan)
    runs = [step.recipe for step in plan.steps]
    launch_cost.draw_estimate(task, train, launch.trainings, launch.what, runs)
    if st.button("Run the study", type="primary", icon=":material/play_arrow:", key="study.go"):
        frame.submit_plan(plan)
        first = next(s.recipe for s in plan.steps if s.recipe.stage == "distil")
        url_state.jump(study="", run=first.run_id)


frame.draw_header("Distil", "Train a student of the dense teacher, or of a sparse one.")
if not store.runs("finetune", [State.DONE]):
    PAGE = "pages/teacher/finetune.py"
    if store.runs("finetune"):
        frame.stop_with_link("The teacher is not ready yet.", PAGE, "Show its progress")
    frame.stop_with_link("No teacher yet: fine-tune one first.", PAGE, "Fine-tune a teacher")
students = store.runs("distil")
if students:
    draw_students(students)
if class_mode.is_lecturer():
    st.divider()
    st.subheader("Train a student", anchor=False)
    with frame.error_boundary():
        draw_form()
