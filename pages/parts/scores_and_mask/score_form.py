"""Scoring runs that are not done, and the form that starts another."""

import streamlit as st

from pages.parts.forms import fields
from pages.parts.runs import unfinished
from pages.parts.shell import frame, url_state
from sparsekd.catalog.fields import validated
from sparsekd.catalog.stage_parameters import ScoreParams
from sparsekd.runs import score_runs, store
from sparsekd.runs.records import Run, State
from sparsekd.studies import recipes


def draw_new_scores(chosen: Run | None) -> None:
    """Draw the scoring runs that are not done, and the form that starts another."""
    for run in store.runs("score"):
        if run.state is not State.DONE:
            unfinished.draw_unfinished(run)
    with st.expander(
        "Measure new scores", icon=":material/add:", expanded=chosen is None, key="scores.new"
    ):
        _draw_form()


def _draw_form() -> None:
    students = {run.id: run for run in score_runs.students()}
    if not students:
        st.info(
            "Scores need a teacher and a trial student of it: distil one first.",
            icon=":material/info:",
        )
        st.page_link("pages/student/distil.py", label="To Distil", icon=":material/arrow_forward:")
        return

    def label(name: str) -> str:
        return f"{students[name].recipe.task} · {score_runs.student_label(students[name])}"

    with st.form("score", border=False):
        student = st.selectbox(
            "Trial student",
            list(students),
            key="score.student",
            format_func=label,
            help="Its teacher is scored.",
        )
        values = fields.draw_fields(ScoreParams, "score")
        pressed = st.form_submit_button("Score", type="primary", icon=":material/play_arrow:")
    if pressed:
        recipe = students[student].recipe
        length, teacher = recipe.params["train"]["max_length"], recipe.inputs["teacher"]
        params = validated(ScoreParams, values)
        wanted = recipes.score(recipe.task, teacher, student, params, length)
        run = frame.submit([wanted])[0]
        url_state.write(scores=run.id if run.state is State.DONE else "")
        st.rerun()
