"""Distil: teach a student, ask for the whole StarK study, or compare methods."""

import streamlit as st

from pages.parts.compare import comparison_form, method_charts, model_quality
from pages.parts.forms import fields, launch_cost, student_form, task_picker, teacher_picker
from pages.parts.runs import export, run_buttons
from pages.parts.shell import frame, live, url_state
from sparsekd.catalog.card import Card
from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.errors import BadInput
from sparsekd.runs import jobs, references, store
from sparsekd.runs.records import Plan, Recipe, Run, State
from sparsekd.studies import recipes, stark, stats
from sparsekd.system.wording import counted
from sparsekd.tasks.cards import TaskCard

ONE, STUDY, COMPARE = "One student", "The whole study, with controls", "Compare methods"
TRAINING = ("epochs", "learning_rate", "batch_size", "max_length", "train_examples")
MOST_SEEDS = 20


# --- what there is ---------------------------------------------------------------------------


def show_students(runs: list[Run]) -> Run:
    """The chosen student: state, curves, buttons."""
    names, title = {run.id: run for run in runs}, frame.run_titles()
    key = url_state.bound("run")
    if st.session_state[key] not in names:
        st.session_state[key] = next((r.id for r in runs if r.state is State.RUNNING), runs[0].id)
    chosen = st.selectbox(
        "Student",
        list(names),
        format_func=lambda name: _words(names[name], title(names[name].recipe)),
        key=key,
    )
    url_state.write(run=chosen)
    run = names[chosen]

    def draw() -> None:
        now = store.get(chosen)
        live.draw_run_state(now)
        live.draw_curves(now, f"student.{chosen}")
        method_charts.show(now, f"student.{chosen}")

    model_quality.metrics(run)
    live.poll(draw, [run], f"student.{chosen}")
    with st.container(horizontal=True):
        run_buttons.draw_run_buttons(run, f"student.{chosen}")
        if st.button(
            "Clone",
            icon=":material/content_copy:",
            key="clone",
            help="Fill the form below with this run's parameters.",
        ):
            st.session_state["distil.clone"] = chosen
            st.rerun()
    if run.state is State.DONE:
        export.draw_export(run)
    return run


def _words(run: Run, title: str) -> str:
    return f"{title} · {run.recipe.task} · {run.state.value} · {run.id}"


# --- the form --------------------------------------------------------------------------------


def new_student() -> None:
    """Method, teacher, student, sparse teacher, budget, estimate, launch."""
    cloned = _cloned()
    mark = cloned.id if cloned else ""
    way = st.segmented_control(
        "What to run", [ONE, STUDY, COMPARE], default=ONE, required=True, key=f"distil.way.{mark}"
    )
    if way == COMPARE:
        comparison_form.show()
        return
    st.markdown("##### 1. Method")
    card = choose_method(cloned, study=way == STUDY)
    method_values = fields.ask(
        card.params, f"distil.{card.name}.{mark}", cloned.recipe.params["method"] if cloned else {}
    )
    st.markdown("##### 2. Teacher")
    teacher = teacher_picker.choose(cloned, dense_only=way == STUDY)
    others = teacher_picker.further(teacher, card, cloned)
    task = references.cards().get(teacher.recipe.task)
    if task is None:
        raise BadInput(
            f"The task {teacher.recipe.task} is no longer registered.", "Name its folder again."
        )
    mask, scores = choose_mask(teacher, way)
    st.markdown("##### 3. Student and budget")
    key = f"distil.{teacher.recipe.task}.{mark}"
    training, shape = _defaults(teacher, cloned)
    student_values = student_form.ask(key, shape)
    train_values = fields.ask(TrainParams, key, training, TRAINING, columns=5)
    seeds = tuple(range(_seeds(mark, cloned)))
    train = fields.checked(TrainParams, train_values)
    student = fields.checked(StudentParams, student_values)
    method_params = fields.checked(card.params, method_values)
    if way == STUDY:
        study = stark.StudySpec(
            teacher.recipe.task, teacher.recipe.inputs["checkpoint"], train=train, student=student,
            method=card.name, method_params=method_params, score=ask_scoring(mark), mask=mask,
            seeds=seeds, finetuned=teacher.recipe,
        )  # fmt: skip
        launch_study(stark.plan(study), task, train)
        return
    source, runs = teacher.id, []
    if scores is not None:
        pruned = recipes.prune(
            task.name, teacher.id, scores.id, mask, scores.recipe.params["max_length"]
        )
        source, runs = pruned.run_id, [pruned]
    init = teacher_picker.dense(teacher)
    for seed in seeds:
        runs.append(
            recipes.distil(
                task.name, card.name, source, train, method_params, student, init, seed, others
            )
        )
    launch(runs, task, train)


def _cloned() -> Run | None:
    """The run whose parameters fill the form."""
    name = st.session_state.get("distil.clone", "")
    run = store.several([name]).get(name)
    if run:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.caption(f"Filled with the parameters of run {run.id}.")
            if st.button("Start from the defaults", type="tertiary", key="distil.unclone"):
                del st.session_state["distil.clone"]
                st.rerun()
    return run


def choose_method(cloned: Run | None, study: bool) -> Card:
    """A card from the menu of methods; a study has one teacher, and its own control without."""
    names = [n for n, card in METHODS.items() if card.least_teachers == 1 or not study]
    wanted = cloned.recipe.method if cloned else "vanilla"
    name = st.radio(
        "Method",
        names,
        names.index(wanted) if wanted in names else 0,
        format_func=lambda name: METHODS[name].title,
        captions=[f"{METHODS[n].summary} {METHODS[n].source}." for n in names],
        key=f"distil.method.{study}.{cloned.id if cloned else ''}",
        label_visibility="collapsed",
    )
    return METHODS[name]


def choose_mask(teacher: Run, way: str) -> tuple[MaskParams, Run | None]:
    """λ and sparsity; for one student also the scores that make its teacher sparse, if wanted."""
    scores = None
    if way == ONE:
        if teacher.recipe.stage == "prune":
            return MaskParams.of({}), None
        found = [
            run for run in store.runs("score", [State.DONE])
            if run.recipe.inputs["teacher"] == teacher.id
        ]  # fmt: skip
        options: list[Run | None] = [None, *found]
        scores = st.selectbox(
            "Sparse teacher",
            options,
            format_func=lambda run: f"yes, by scores {run.id}" if run else "no, the whole teacher",
            key=f"distil.scores.{teacher.id}",
            help="Scores are measured on the page Scores, for a trial student.",
        )
        if scores is None:
            return MaskParams.of({}), None
    start = url_state.read()
    values = {"lam": start.lam, "sparsity": start.sparsity} | {
        "neuron_sparsity": start.neuron_sparsity,
        "round_to": start.round_to,
        "normalise": start.normalise,
    }
    mask = fields.ask(
        MaskParams, "distil.mask", values, ("lam", "sparsity", "neuron_sparsity"), ("kind",)
    )
    return fields.checked(MaskParams, mask), scores


def ask_scoring(mark: str) -> ScoreParams:
    """How a study measures its scores."""
    with st.expander("How heads and neurons are scored", icon=":material/grid_on:"):
        values = fields.ask(ScoreParams, f"distil.score.{mark}", without=("split",), columns=4)
    return fields.checked(ScoreParams, values)


def _defaults(teacher: Run, cloned: Run | None) -> tuple[dict[str, object], dict[str, object]]:
    """Training and student parameters to start from: the clone's, or those that fit the teacher."""
    if cloned:
        return cloned.recipe.params["train"], cloned.recipe.params["student"]
    origin = store.get(teacher_picker.dense(teacher)).recipe
    _, train, student = recipes.defaults(origin.inputs["checkpoint"])
    return train.values(), student.values()


def _seeds(mark: str, cloned: Run | None) -> int:
    return int(
        st.number_input(
            "Seeds", 1, MOST_SEEDS, 1 + (cloned.recipe.seed if cloned else 0),
            key=f"distil.seeds.{mark}", width=160,
            help=f"Seeds 0, 1, 2 …: a verdict takes at least {stats.LEAST_SEEDS}.",
        )
    )  # fmt: skip


# --- launching -------------------------------------------------------------------------------


def launch(runs: list[Recipe], task: TaskCard, train: TrainParams) -> None:
    """The estimate, and the button that queues the runs."""
    students = [recipe for recipe in runs if recipe.stage == "distil"]
    words = counted(len(students), "student")
    if len(runs) > len(students):
        words += " and 1 sparse teacher"
    extra, passes = (
        launch_cost.training_episodes(students[0]),
        launch_cost.reward_passes(students[0]),
    )
    if extra:
        words += (
            f", each after {counted(extra, 'training episode')} of the same length with "
            f"{passes} reward passes over the selection split: "
            f"{len(students) * (1 + extra)} trainings"
        )
    _estimate(task, train, len(students) * (1 + extra), words)
    if st.button("Distil", type="primary", icon=":material/play_arrow:", key="distil.go"):
        jobs.submit(runs, frame.chosen_device())
        st.session_state.pop("distil.clone", None)
        url_state.jump(run=students[0].run_id)


def launch_study(plan: Plan, task: TaskCard, train: TrainParams) -> None:
    """The estimate of a whole study, and the button that queues it."""
    known = store.several(step.recipe.run_id for step in plan.steps)
    new = [s.recipe for s in plan.steps if s.recipe.run_id not in known]
    wanted = sum(recipe.stage == "distil" for recipe in new)
    words = f"{counted(len(new), 'new run')}, of which {wanted} train a student"
    if len(known):
        words += f" ({len(known)} exist already)"
    _estimate(task, train, wanted, words)
    if st.button("Run the study", type="primary", icon=":material/play_arrow:", key="study.go"):
        jobs.submit_plan(plan, frame.chosen_device())
        first = next(s.recipe for s in plan.steps if s.recipe.stage == "distil")
        url_state.jump(study="", run=first.run_id)


def _estimate(task: TaskCard, train: TrainParams, runs: int, words: str) -> None:
    found = task_picker.frames(task)
    rows = launch_cost.training_rows(task, None if found is None else len(found["train"]))
    launch_cost.show(launch_cost.cost(rows, train), "distil", task.name, runs, words)


frame.draw_header("Distil", "Teach a student: from the whole teacher, or from the sparse one.")
if not store.runs("finetune", [State.DONE]):
    if store.runs("finetune"):
        frame.stop_with_link(
            "The teacher is not ready yet.", "pages/teacher/finetune.py", "See how far it is"
        )
    frame.stop_with_link(
        "No teacher yet: fine-tune one first.", "pages/teacher/finetune.py", "Fine-tune a teacher"
    )
taught = store.runs("distil")
if taught:
    show_students(taught)
    st.divider()
st.subheader("Teach a student", anchor=False)
with frame.error_boundary():
    new_student()
