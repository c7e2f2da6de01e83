"""Which scores the page shows: a run's own, those from its Jacobian, or a new run."""

from typing import Any

import streamlit as st

from pages.parts.scores_and_mask import cached_scores
from pages.parts.shell import frame, url_state
from sparsekd.catalog.stage_parameters import ScoreParams
from sparsekd.runs import score_runs
from sparsekd.runs.records import Run
from sparsekd.studies import recipes
from sparsekd.units.scores import Scores

AGGREGATES = {"per_batch": "Per batch (the reference)", "per_example": "Per example"}
LOSSES = {"soft_ce": "Soft cross-entropy (the reference)", "kl": "KL divergence"}
DEFAULTS: dict[str, Any] = {
    name: url_state.UrlState.model_fields[name].default
    for name in ("trial", "aggregate", "batch_size", "friendliness", "temperature")
}


def choose_measurement(run: Run) -> tuple[str, ScoreParams]:
    """Choose the trial student and the parameters of the scores: as measured, or others.

    With a trial student in the address bar, the other parameters there count as well.
    """
    measured = run.recipe.inputs["student"], score_runs.params(run)
    with st.expander(
        "Another trial student, temperature, aggregation or loss",
        icon=":material/tune:",
        expanded=bool(url_state.read().trial),
    ):
        if not _choose_whether():
            url_state.write(**DEFAULTS)
            return measured
        return _choose_parameters(run)


def _choose_whether() -> bool:
    key = "url.otherwise"
    if key not in st.session_state:
        st.session_state[key] = bool(url_state.read().trial)
    chosen: bool = st.toggle(
        "Change the measurement",
        key=key,
        help="The Jacobian of the teacher's logits with respect to its gates depends on no "
        "student, temperature, loss or batch size: where a run kept it, other scores are computed "
        "at once.",
    )
    return chosen


def _choose_parameters(run: Run) -> tuple[str, ScoreParams]:
    measured = score_runs.params(run)
    students = {other.id: other for other in score_runs.trial_students(run)}
    known = list(students) or [run.recipe.inputs["student"]]
    keys = {name: url_state.bound(name) for name in DEFAULTS}
    if not url_state.read().trial:  # just switched on: begin with what was measured
        begin = measured.values() | {"trial": run.recipe.inputs["student"]}
        st.session_state.update({key: begin[name] for name, key in keys.items()})
    if st.session_state[keys["trial"]] not in known:
        st.session_state[keys["trial"]] = known[0]
    values = _draw_widgets(known, students)
    url_state.write(**values)
    student = str(values.pop("trial"))
    return student, ScoreParams.of(measured.values() | values)


def _draw_widgets(known: list[str], students: dict[str, Run]) -> dict[str, Any]:
    def label(name: str) -> str:
        return score_runs.student_label(students[name]) if name in students else name

    fields = ScoreParams.model_fields
    left, right = st.columns(2)
    trial = left.selectbox(
        "Trial student",
        known,
        key="url.trial",
        format_func=label,
        help="A student of the same teacher: student-friendliness is measured for this one.",
    )
    friendliness = right.selectbox(
        "Friendliness loss",
        list(LOSSES),
        format_func=lambda name: LOSSES[name],
        key="url.friendliness",
        help=fields["friendliness"].description,
    )
    left, middle, right = st.columns(3)
    aggregate = left.selectbox(
        "Aggregation",
        list(AGGREGATES),
        format_func=lambda name: AGGREGATES[name],
        key="url.aggregate",
        help=fields["aggregate"].description,
    )
    batch_size = middle.number_input(
        "Batch size",
        1,
        65536,
        key="url.batch_size",
        help=fields["batch_size"].description,
        disabled=aggregate == "per_example",
    )
    temperature = right.slider(
        "Temperature",
        1.0,
        20.0,
        step=0.5,
        key="url.temperature",
        help=fields["temperature"].description,
    )
    return {
        "trial": trial,
        "friendliness": friendliness,
        "aggregate": aggregate,
        "batch_size": int(batch_size),
        "temperature": float(temperature),
    }


def draw_source(run: Run, student: str, params: ScoreParams) -> Scores | None:
    """Draw where the chosen scores come from, and return them; None where it takes a new run."""
    if (student, params) == (run.recipe.inputs["student"], score_runs.params(run)):
        st.caption(f":material/check: As measured by run {run.id}.")
        return cached_scores.load(run)
    kept = score_runs.keeps_jacobian(run)
    place = st.container(horizontal=True, vertical_alignment="center")
    if kept:
        place.markdown(":material/bolt: **Computed from the kept Jacobian**, without a new run.")
        label = "Save as a run"
    else:
        why = frame.plain(str(run.outcome.facts.get("jacobian", "not kept")))
        place.warning(f"The Jacobian was {why}: these scores need a new run.")
        label = "Start the run"
    if place.button(label, icon=":material/play_arrow:", key="scores.keep"):
        inputs, length = run.recipe.inputs, run.recipe.params["max_length"]
        recipe = recipes.score(run.recipe.task, inputs["teacher"], student, params, length)
        frame.submit([recipe])
        st.rerun()
    return cached_scores.rescore(run, student, params) if kept else None
