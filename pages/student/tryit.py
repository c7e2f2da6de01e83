"""Try it: a sentence of one's own through teacher and students, and what each gets wrong."""

from functools import partial

import streamlit as st

from pages.parts.shell import frame
from pages.parts.tryit import example_form, misses_view, predictions_view
from sparsekd.runs import references, store, tables
from sparsekd.runs.records import Run, State
from sparsekd.studies import titles
from sparsekd.tasks.cards import TaskCard

FIRST = 6  # models chosen at first
MOST = 40  # models without a study that are offered


def find_models() -> dict[str, Run]:
    """Return the finished models of the chosen study; without a study, the latest of one task."""
    plan = frame.current_study()
    if plan is not None:
        return titles.titled_models(plan)
    runs = [run for run in store.runs(states=[State.DONE]) if has_model(run)]
    same = [run for run in runs if run.recipe.task == runs[0].recipe.task]
    return {f"{tables.title(run.recipe)} · {run.id}": run for run in same[:MOST]}


def has_model(run: Run) -> bool:
    """Return whether a run leaves a model."""
    return run.recipe.stage in references.MODEL_STAGES


def draw_page(models: dict[str, Run], card: TaskCard) -> None:
    """Draw the choice of models, the sentence with the answers to it, and the mistakes."""
    names = list(models)
    texts = example_form.draw_example(card)
    chosen = st.multiselect(
        "Models", names, names[:FIRST], key=f"tryit.models.{models[names[0]].id}.{len(names)}"
    )
    shown = {name: models[name] for name in names if name in chosen}
    if not shown:
        st.caption("Choose a model.")
        return
    if texts is not None:
        with frame.error_boundary():
            example_form.draw_gold(card, texts)
            found = predictions_view.ask_models(shown, texts)
            if found:
                body = partial(predictions_view.draw_predictions, card, found)
                st.fragment(frame.guarded(body), key="tryit.predictions")()
    st.subheader("What each gets wrong", anchor=False)
    with frame.error_boundary():
        misses_view.draw_misses(shown, card)


frame.draw_header("Try it", "What do teacher and students say to a sentence, and how surely?")
found_models = find_models()
if found_models:
    draw_page(found_models, references.card(next(iter(found_models.values())).recipe.task))
elif frame.current_study() is not None:
    frame.stop_with_link(
        "No model of this study is finished yet: the teacher comes first.",
        "pages/start/home.py",
        "Show the study's progress",
    )
else:
    frame.stop_with_link(
        "No model yet. Train a teacher, or run the demo study, which takes about two minutes; "
        "then type a sentence here and see what the teacher and its students make of it.",
        "pages/start/home.py",
        "Run the demo study",
    )
