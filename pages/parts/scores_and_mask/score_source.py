"""Which scores the page shows: a run's own, an answer from its Jacobian, or a new run."""

from typing import Any

import streamlit as st

from pages.parts.forms import fields as forms
from pages.parts.runs import run_buttons
from pages.parts.scores_and_mask import rescored, score_runs
from pages.parts.shell import frame, live, url_state
from sparsekd.catalog.stage_parameters import ScoreParams
from sparsekd.runs import jobs, store, tables
from sparsekd.runs.records import Run, State
from sparsekd.studies import recipes
from sparsekd.units.scores import Scores

AGGREGATES = {"per_batch": "Per batch (the reference)", "per_example": "Per example"}
LOSSES = {"soft_ce": "Soft cross-entropy (the reference)", "kl": "KL divergence"}
UNTOUCHED: dict[str, Any] = {
    name: url_state.UrlState.model_fields[name].default
    for name in ("trial", "aggregate", "batch_size", "friendliness", "temperature")
}


def asked(run: Run) -> tuple[str, ScoreParams]:
    """The trial student and parameters to show: as measured, or as the visitor asks.

    A trial student in the address bar says that the other parameters are meant too.
    """
    measured = run.recipe.inputs["student"], score_runs.params(run)
    with st.expander(
        "Another trial student, temperature, aggregation or loss", icon=":material/tune:",
        expanded=bool(url_state.read().trial),
    ):  # fmt: skip
        if not _asks_otherwise():
            url_state.write(**UNTOUCHED)
            return measured
        return _choose(run)


def _asks_otherwise() -> bool:
    key = "url.otherwise"
    if key not in st.session_state:
        st.session_state[key] = bool(url_state.read().trial)
    asks: bool = st.toggle(
        "Ask other than measured",
        key=key,
        help="The Jacobian of the teacher's logits by its gates depends on no student, "
        "temperature, loss or batch size: where a run kept it, other questions are answered "
        "at once.",
    )
    return asks


def _choose(run: Run) -> tuple[str, ScoreParams]:
    measured = score_runs.params(run)
    students = {other.id: other for other in rescored.trial_students(run)}
    known = list(students) or [run.recipe.inputs["student"]]
    keys = {name: url_state.bound(name) for name in UNTOUCHED}
    if not url_state.read().trial:  # just asked: begin with what was measured
        begin = measured.values() | {"trial": run.recipe.inputs["student"]}
        st.session_state.update({key: begin[name] for name, key in keys.items()})
    if st.session_state[keys["trial"]] not in known:
        st.session_state[keys["trial"]] = known[0]
    values = _widgets(known, students)
    url_state.write(**values)
    student = str(values.pop("trial"))
    return student, ScoreParams.of(measured.values() | values)


def _widgets(known: list[str], students: dict[str, Run]) -> dict[str, Any]:
    fields = ScoreParams.model_fields
    left, right = st.columns(2)
    trial = left.selectbox(
        "Trial student", known, key="url.trial",
        format_func=lambda name: student_words(students[name]) if name in students else name,
        help="A student of the same teacher: friendliness is friendliness to this one.",
    )  # fmt: skip
    friendliness = right.selectbox(
        "Friendliness loss", list(LOSSES), format_func=lambda name: LOSSES[name],
        key="url.friendliness", help=fields["friendliness"].description,
    )  # fmt: skip
    left, middle, right = st.columns(3)
    aggregate = left.selectbox(
        "Aggregation", list(AGGREGATES), format_func=lambda name: AGGREGATES[name],
        key="url.aggregate", help=fields["aggregate"].description,
    )  # fmt: skip
    batch_size = middle.number_input(
        "Batch size", 1, 65536, key="url.batch_size", help=fields["batch_size"].description,
        disabled=aggregate == "per_example",
    )  # fmt: skip
    temperature = right.slider(
        "Temperature", 1.0, 20.0, step=0.5, key="url.temperature",
        help=fields["temperature"].description,
    )  # fmt: skip
    return {
        "trial": trial,
        "friendliness": friendliness,
        "aggregate": aggregate,
        "batch_size": int(batch_size),
        "temperature": float(temperature),
    }


def answer(run: Run, student: str, params: ScoreParams) -> Scores | None:
    """The scores asked for, and where they come from; None where only a new run can tell."""
    if (student, params) == (run.recipe.inputs["student"], score_runs.params(run)):
        st.caption(f":material/check: As measured by run {run.id}.")
        return score_runs.load(run)
    recipe = recipes.score(
        run.recipe.task, run.recipe.inputs["teacher"], student, params,
        run.recipe.params["max_length"],
    )  # fmt: skip
    kept = rescored.keeps_jacobian(run)
    place = st.container(horizontal=True, vertical_alignment="center")
    if kept:
        place.markdown(":material/bolt: **From the kept Jacobian**, without a new run.")
        label = "Keep as a run of its own"
    else:
        why = frame.plain(str(run.outcome.facts.get("jacobian", "not kept")))
        place.warning(f"The Jacobian was {why}: this needs a new scoring run.")
        label = "Score anew"
    if place.button(label, icon=":material/play_arrow:", key="scores.keep"):
        jobs.submit([recipe], frame.device())
        st.rerun()
    return rescored.rescored(run, student, params) if kept else None


def new(chosen: Run | None) -> None:
    """Scoring runs under way, and the form that starts another."""
    for run in store.runs("score"):
        if run.state is not State.DONE:
            under_way(run)
    with st.expander(
        "Measure new scores", icon=":material/add:", expanded=chosen is None, key="scores.new"
    ):
        _form()


def companions(scores: Run, stage: str) -> None:
    """Runs of a stage that start from these scores and are not done."""
    for run in store.runs(stage, task=scores.recipe.task):
        if run.recipe.inputs.get("scores") == scores.id and run.state is not State.DONE:
            under_way(run)


def under_way(run: Run) -> None:
    """One run that is not done: its progress or its reason, and its buttons."""
    with st.container(border=True):
        st.markdown(f"**{tables.STAGES[run.recipe.stage]}**, run {run.id}")
        live.poll(lambda: live.run_state(store.get(run.id)), [run], f"way.{run.id}")
        run_buttons.of_run(run, f"way.{run.id}")


def _form() -> None:
    students = {run.id: run for run in _students()}
    if not students:
        st.info(
            "Scores need a teacher and a trial student of it: distil one first.",
            icon=":material/info:",
        )
        st.page_link("pages/student/distil.py", label="To Distil", icon=":material/arrow_forward:")
        return
    with st.form("score", border=False):
        student = st.selectbox(
            "Trial student", list(students), key="score.student",
            format_func=lambda name: f"{students[name].recipe.task} · "
            f"{student_words(students[name])}",
            help="Its teacher is the one that is scored.",
        )  # fmt: skip
        values = forms.ask(ScoreParams, "score")
        pressed = st.form_submit_button("Score", type="primary", icon=":material/play_arrow:")
    if pressed:
        recipe = students[student].recipe
        length = recipe.params["train"]["max_length"]
        asked_for = forms.checked(ScoreParams, values)
        teacher = recipe.inputs["teacher"]
        wanted = recipes.score(recipe.task, teacher, student, asked_for, length)
        run = jobs.submit([wanted], frame.device())[0]
        url_state.write(scores=run.id if run.state is State.DONE else "")
        st.rerun()


def _students() -> list[Run]:
    """Finished students whose teacher is whole: a pruned teacher has no grid of units."""
    pruned = {run.id for run in store.runs("prune")}
    return [
        run for run in store.runs("distil", [State.DONE])
        if run.recipe.inputs["teacher"] not in pruned
    ]  # fmt: skip


def student_words(run: Run) -> str:
    """One student in a line."""
    return f"{tables.title(run.recipe)} · {run.id}"
