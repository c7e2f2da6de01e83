"""Fine-tune: is my teacher good? Teachers so far, and how to make another."""

import pandas as pd
import streamlit as st

from pages.parts.compare import model_quality
from pages.parts.forms import fields, launch_cost, model_picker, task_picker
from pages.parts.runs import run_buttons
from pages.parts.shell import frame, live, url_state
from sparsekd.catalog.parameters import TrainParams
from sparsekd.runs import jobs, references, store
from sparsekd.runs.records import Run, State
from sparsekd.studies import recipes
from sparsekd.tasks.demo import DEMO_CHECKPOINTS

FIRST = ("epochs", "learning_rate", "batch_size", "max_length", "train_examples")


def teachers_table(runs: list[Run]) -> pd.DataFrame:
    """One row per teacher: task, checkpoint, state, metrics on the first reported split."""
    return pd.DataFrame([_row(run) for run in runs])


def _row(run: Run) -> dict[str, object]:
    metrics = next((m for s, m in run.outcome.metrics.items() if s != "selection"), {})
    checkpoint = run.recipe.inputs["checkpoint"].split("#")[0]
    return {
        "task": run.recipe.task,
        "checkpoint": DEMO_CHECKPOINTS.get(checkpoint, checkpoint),
        "state": run.state.value,
        **metrics,
        "parameters": run.outcome.facts.get("parameters"),
        "seconds": round(run.seconds, 1),
        "run": run.id,
    }


def choose_teacher(runs: list[Run]) -> Run:
    """The table of teachers, and the one chosen from it."""
    numbers = {"parameters": st.column_config.NumberColumn(format="localized")}
    st.dataframe(
        teachers_table(runs), width="stretch", hide_index=True, key="teachers",
        column_config=numbers,
    )  # fmt: skip
    names = {run.id: run for run in runs}
    key = url_state.bound("teacher")
    if st.session_state[key] not in names:
        st.session_state[key] = runs[0].id
    chosen = st.selectbox(
        "Look at",
        list(names),
        format_func=lambda name: f"{names[name].recipe.task} · {names[name].state.value} · {name}",
        key=key,
    )
    url_state.write(teacher="" if chosen == runs[0].id else chosen)
    return names[chosen]


def show_teacher(run: Run) -> None:
    """One teacher: how it is doing, how it learned, where it errs."""

    def draw() -> None:
        now = store.get(run.id)
        live.draw_run_state(now)
        live.draw_curves(now, f"teacher.{now.id}")

    card = references.cards().get(run.recipe.task)
    if run.state is State.DONE and card:
        model_quality.metrics(run)
    live.poll(draw, [run], f"teacher.{run.id}")
    run_buttons.draw_run_buttons(run, f"teacher.{run.id}")
    if run.state is State.DONE and card:
        split = st.segmented_control(
            "Examples", [*card.validation, "selection"], default=card.validation[0],
            required=True, key="teacher.split",
        )  # fmt: skip
        model_quality.show(run, card, split, f"teacher.{run.id}.{split}")


def new_teacher() -> None:
    """Task, checkpoint, parameters, estimate, launch."""
    st.markdown("##### 1. The task")
    card = task_picker.choose()
    if card is None:
        return
    rows = launch_cost.training_rows(card, task_picker.preview(card))
    st.markdown("##### 2. The checkpoint")
    checkpoint = model_picker.choose(card)
    if checkpoint is None:
        return
    st.markdown("##### 3. The training")
    defaults, _, _ = recipes.defaults(checkpoint)
    key = f"finetune.{checkpoint in DEMO_CHECKPOINTS}"
    values = fields.ask(TrainParams, key, defaults.values(), FIRST, columns=5)
    seed = int(st.number_input("Seed", 0, 2**31 - 1, 0, key="finetune.seed", width=160))
    with frame.error_boundary():
        train = fields.checked(TrainParams, values)
        launch_cost.show(launch_cost.cost(rows, train), "finetune", card.name, 1, "1 run")
        if st.button("Fine-tune", type="primary", icon=":material/play_arrow:", key="finetune.go"):
            recipe = recipes.finetune(card.name, checkpoint, train, seed)
            jobs.submit([recipe], frame.chosen_device())
            url_state.jump(teacher=recipe.run_id)


frame.draw_header("Fine-tune", "Is my teacher good? A student learns only what its teacher knows.")
teachers = store.runs("finetune")
if teachers:
    chosen = choose_teacher(teachers)
    show_teacher(chosen)
else:
    st.info("No teacher yet. Make one below: the demo task needs nothing else.")
st.divider()
st.subheader("Make a teacher", anchor=False)
with frame.error_boundary():
    new_teacher()
