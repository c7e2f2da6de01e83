"""Fine-tune: the teachers so far, their quality, and how to make another."""

import streamlit as st

from pages.parts.compare import model_quality
from pages.parts.forms import as_it_is_form, fields, launch_cost, model_picker, task_picker
from pages.parts.runs import run_buttons
from pages.parts.shell import class_mode, frame, live, url_state
from sparsekd.catalog.fields import validated
from sparsekd.catalog.parameters import TrainParams
from sparsekd.runs import references, store
from sparsekd.runs.records import Run, State
from sparsekd.studies import majority, recipes
from sparsekd.studies.teachers import teachers_table
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.demo import DEMO_CHECKPOINTS

COLUMNS = {
    "parameters": st.column_config.NumberColumn(format="localized"),
    "majority": st.column_config.NumberColumn(
        help="What one answer to every text reaches, in the task's first metric."
    ),
}


def choose_teacher(runs: list[Run]) -> Run:
    """Draw the table of teachers, and the choice of one of them."""
    table, cards = teachers_table(runs), references.cards()
    usual = [majority.reported_score(run, cards.get(run.recipe.task)) for run in runs]
    table.insert(list(table.columns).index("parameters"), "majority", usual)
    st.dataframe(table, width="stretch", hide_index=True, key="teachers", column_config=COLUMNS)
    names = {run.id: run for run in runs}
    key = url_state.bound_among("teacher", "teacher", names, runs[0].id)

    def label(name: str) -> str:
        return f"{names[name].recipe.task} · {names[name].state.value} · {name}"

    chosen = st.selectbox("Teacher", list(names), format_func=label, key=key)
    url_state.write(teacher="" if chosen == runs[0].id else chosen)
    return names[chosen]


def draw_teacher(run: Run) -> None:
    """Draw one teacher: state, metrics, curves, errors."""

    def draw() -> None:
        now = store.get(run.id)
        live.draw_run_state(now)
        live.draw_curves(now, f"teacher.{now.id}")

    card = references.cards().get(run.recipe.task)
    if run.state is State.DONE and card:
        model_quality.draw_metrics(run, card)
    live.poll(draw, [run], f"teacher.{run.id}")
    run_buttons.draw_run_buttons(run, f"teacher.{run.id}")
    if run.state is State.DONE and card:
        splits = [*card.validation, "selection"]
        split = st.segmented_control(
            "Split", splits, default=splits[0], required=True, key="teacher.split"
        )
        model_quality.draw_answers(run, card, split, f"teacher.{run.id}.{split}")


def draw_form() -> None:
    """Draw the form of a teacher: task, checkpoint, parameters, estimate, launch."""
    st.markdown("##### 1. Task")
    card = task_picker.choose_task()
    if card is None:
        return
    task_picker.draw_preview(card)
    st.markdown("##### 2. Checkpoint")
    checkpoint = model_picker.choose_checkpoint(card)
    if checkpoint is None:
        return
    st.markdown("##### 3. Training")
    if as_it_is_form.choose_training(checkpoint) == as_it_is_form.AS_IT_IS:
        draw_as_it_is(card, checkpoint)
        return
    defaults, _, _ = recipes.defaults(checkpoint)
    key = f"finetune.{checkpoint in DEMO_CHECKPOINTS}"
    values = fields.draw_training(key, defaults.values())
    seed = int(st.number_input("Seed", 0, 2**31 - 1, 0, key="finetune.seed", width=160))
    with frame.error_boundary():
        train = validated(TrainParams, values)
        recipe = recipes.finetune(card.name, checkpoint, train, seed)
        launch_cost.draw_estimate(card, train, 1, "1 run", [recipe], "finetune")
        if st.button("Fine-tune", type="primary", icon=":material/play_arrow:", key="finetune.go"):
            frame.submit([recipe])
            url_state.jump(teacher=recipe.run_id)


def draw_as_it_is(card: TaskCard, checkpoint: str) -> None:
    """Draw the form of a teacher that is a finished classifier, and its launch."""
    with frame.error_boundary():
        recipe = as_it_is_form.draw_recipe(card, checkpoint)
        launch_cost.draw_evaluation(recipe)
        if st.button("Use as teacher", type="primary", icon=":material/check:", key="finetune.use"):
            frame.submit([recipe])
            url_state.jump(teacher=recipe.run_id)


frame.draw_header("Fine-tune", "How good is my teacher?")
teachers = store.runs("finetune")
if teachers:
    chosen = choose_teacher(teachers)
    draw_teacher(chosen)
else:
    st.info("No teacher yet. Make one below: the demo task needs nothing else.")
if class_mode.is_lecturer():
    st.divider()
    st.subheader("Make a teacher", anchor=False)
    with frame.error_boundary():
        draw_form()
