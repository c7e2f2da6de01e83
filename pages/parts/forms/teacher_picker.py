"""A choice of one finished teacher and, for some methods, of further ones."""

import streamlit as st

from pages.parts.shell import frame, url_state
from sparsekd.catalog.method_card import MethodCard
from sparsekd.errors import BadInput
from sparsekd.runs import answer_files
from sparsekd.runs.records import Run
from sparsekd.studies import teachers


def choose_teacher(cloned: Run | None, dense_only: bool) -> Run:
    """Draw the choice of a finished teacher, dense or pruned."""
    runs = {run.id: run for run in teachers.finished_teachers(dense_only)}
    study = frame.current_study()
    usual = study.steps[0].recipe.run_id if study else ""
    wanted = url_state.read().teacher or usual
    if cloned:
        own = cloned.recipe.inputs
        wanted = own["init"] if answer_files.is_answers(own["teacher"]) else own["teacher"]
    title = frame.run_titles()
    return runs[
        st.selectbox(
            "Teacher",
            list(runs),
            list(runs).index(wanted) if wanted in runs else 0,
            format_func=lambda name: teachers.teacher_label(runs[name], title(runs[name].recipe)),
            key=f"distil.teacher.{dense_only}.{cloned.id if cloned else ''}",
            help="The student's initial layers come from the dense teacher, also where it learns "
            "from a sparse one (rewinding).",
        )
    ]


def choose_further_teachers(first: Run, card: MethodCard, cloned: Run | None) -> list[str]:
    """Draw the choice of further teachers for a method of several, and return their ids.

    Raises:
        BadInput: fewer than the method needs.
    """
    if card.most_teachers < 2:
        return []
    others = teachers.other_teachers(first)
    runs, title = {run.id: run for run in others}, frame.run_titles()
    chosen: list[str] = st.multiselect(
        "Further teachers",
        list(runs),
        teachers.default_others(others, card, cloned),
        format_func=lambda name: teachers.teacher_label(runs[name], title(runs[name].recipe)),
        max_selections=card.most_teachers - 1,
        key=f"distil.further.{first.id}.{card.name}.{cloned.id if cloned else ''}",
        help="Other teachers of the same task, each with its own tokenizer. A dense teacher and "
        "its sparse form may be combined.",
    )
    if len(chosen) + 1 < card.least_teachers:
        raise BadInput(
            f"{card.title} learns from at least {card.least_teachers} teachers; "
            f"{len(chosen) + 1} is chosen.",
            f"Choose another one above. {len(runs)} more on {first.recipe.task} are finished; "
            "the page Fine-tune makes others, from another checkpoint or seed.",
        )
    return chosen
