"""Fine-tune: is my teacher good? Teachers so far, and how to make another."""

import pandas as pd
import streamlit as st

from pages.parts import budget, controls, forms, frame, live, models, quality, tasks, urlstate
from sparsekd import jobs, plans, store
from sparsekd.parameters import TrainParams
from sparsekd.records import DEMO_CHECKPOINTS, Run, State

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
    key = urlstate.bound("teacher")
    if st.session_state[key] not in names:
        st.session_state[key] = runs[0].id
    chosen = st.selectbox(
        "Look at",
        list(names),
        format_func=lambda name: f"{names[name].recipe.task} · {names[name].state.value} · {name}",
        key=key,
    )
    urlstate.write(teacher="" if chosen == runs[0].id else chosen)
    return names[chosen]


def show_teacher(run: Run) -> None:
    """One teacher: how it is doing, how it learned, where it errs."""

    def draw() -> None:
        now = store.get(run.id)
        live.run_state(now)
        live.curves(now, f"teacher.{now.id}")

    card = frame.task_card(run.recipe.task)
    if run.state is State.DONE and card:
        quality.metrics(run)
    live.poll(draw, [run], f"teacher.{run.id}")
    controls.of_run(run, f"teacher.{run.id}")
    if run.state is State.DONE and card:
        split = st.segmented_control(
            "Examples", [*card.validation, "selection"], default=card.validation[0],
            required=True, key="teacher.split",
        )  # fmt: skip
        quality.show(run, card, split, f"teacher.{run.id}.{split}")


def new_teacher() -> None:
    """Task, checkpoint, parameters, estimate, launch."""
    st.markdown("##### 1. The task")
    card = tasks.choose()
    if card is None:
        return
    rows = budget.training_rows(card, tasks.preview(card))
    st.markdown("##### 2. The checkpoint")
    checkpoint = models.choose(card)
    if checkpoint is None:
        return
    st.markdown("##### 3. The training")
    defaults, _, _ = plans.defaults(checkpoint)
    key = f"finetune.{checkpoint in DEMO_CHECKPOINTS}"
    values = forms.ask(TrainParams, key, defaults.values(), FIRST, columns=5)
    seed = int(st.number_input("Seed", 0, 2**31 - 1, 0, key="finetune.seed", width=160))
    with frame.errors_in_words():
        train = forms.checked(TrainParams, values)
        budget.show(budget.cost(rows, train), "finetune", card.name, 1, "1 run")
        if st.button("Fine-tune", type="primary", icon=":material/play_arrow:", key="finetune.go"):
            recipe = plans.finetune(card.name, checkpoint, train, seed)
            jobs.submit([recipe], frame.device())
            urlstate.jump(teacher=recipe.run_id)


frame.question("Fine-tune", "Is my teacher good? A student learns only what its teacher knows.")
teachers = store.runs("finetune")
if teachers:
    chosen = choose_teacher(teachers)
    show_teacher(chosen)
else:
    st.info("No teacher yet. Make one below: the demo task needs nothing else.")
st.divider()
st.subheader("Make a teacher", anchor=False)
with frame.errors_in_words():
    new_teacher()
