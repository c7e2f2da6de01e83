"""Who teaches: one finished teacher, and for some methods further ones."""

from itertools import islice

import streamlit as st

from pages.parts.shell import frame, url_state
from sparsekd.catalog.card import Card
from sparsekd.errors import BadInput
from sparsekd.runs import store
from sparsekd.runs.records import Run, State
from sparsekd.tasks.demo import DEMO_CHECKPOINTS


def choose(cloned: Run | None, dense_only: bool) -> Run:
    """A finished teacher, dense or already pruned."""
    names = {run.id: run for run in _finished(dense_only)}
    study = frame.current_study()
    usual = study.steps[0].recipe.run_id if study else ""
    wanted = cloned.recipe.inputs["teacher"] if cloned else url_state.read().teacher or usual
    title = frame.run_titles()
    return names[
        st.selectbox(
            "Teacher",
            list(names),
            list(names).index(wanted) if wanted in names else 0,
            format_func=lambda name: _words(names[name], title(names[name].recipe)),
            key=f"distil.teacher.{dense_only}.{cloned.id if cloned else ''}",
            help="The student's first layers come from the dense teacher, also where a sparse "
            "one teaches: that is the rewinding.",
        )
    ]


def further(first: Run, card: Card, cloned: Run | None) -> list[str]:
    """The ids of the teachers beside the first, for a method that learns from several.

    Raises:
        BadInput: fewer than the method needs.
    """
    if card.most_teachers < 2:
        return []
    task = first.recipe.task
    names = {run.id: run for run in _finished() if run.recipe.task == task and run is not first}
    names.pop(first.id, None)
    title = frame.run_titles()
    chosen: list[str] = st.multiselect(
        "Further teachers",
        list(names),
        _start(names, card, cloned),
        format_func=lambda name: _words(names[name], title(names[name].recipe)),
        max_selections=card.most_teachers - 1,
        key=f"distil.further.{first.id}.{card.name}.{cloned.id if cloned else ''}",
        help="Other teachers of the same task; each reads the text through its own tokenizer. A "
        "dense teacher and its sparse form may both teach.",
    )
    if len(chosen) + 1 < card.least_teachers:
        raise BadInput(
            f"{card.title} learns from at least {card.least_teachers} teachers; "
            f"{len(chosen) + 1} is chosen.",
            f"Choose another one above. {len(names)} more on {task} stand ready; the page "
            "Fine-tune makes others, from another checkpoint or seed.",
        )
    return chosen


def dense(teacher: Run) -> str:
    """The model whose layers a student starts with: a pruned teacher's own dense teacher."""
    return teacher.recipe.inputs["teacher"] if teacher.recipe.stage == "prune" else teacher.id


def _finished(dense_only: bool = False) -> list[Run]:
    found = store.runs("finetune", [State.DONE])
    return found if dense_only else found + store.runs("prune", [State.DONE])


def _start(names: dict[str, Run], card: Card, cloned: Run | None) -> list[str]:
    """The clone's teachers, or as many as are needed."""
    if cloned and len(cloned.recipe.teachers) > 1:
        return [name for name in cloned.recipe.teachers[1:] if name in names]
    return list(islice(names, card.least_teachers - 1))


def _words(run: Run, title: str) -> str:
    metrics = next((m for s, m in run.outcome.metrics.items() if s != "selection"), {})
    best = next((f"{name} {value:.3f}" for name, value in metrics.items()), "")
    source = run.recipe.inputs.get("checkpoint", "").split("#")[0].removeprefix("hub:")
    parts = (title, DEMO_CHECKPOINTS.get(source, source), run.recipe.task, best, run.id)
    return " · ".join(part for part in parts if part)
