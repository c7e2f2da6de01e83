"""Runs: all runs, the latest first; state, log, metrics and files of one."""

import streamlit as st

from pages.parts.runs import run_buttons
from pages.parts.shell import class_mode, frame, live, url_state
from sparsekd.runs import activity, details, store, tables
from sparsekd.runs.records import Run, State
from sparsekd.studies import cost

ALL = "all"
COLUMNS = ["id", "state", "what", "task", "seed", "device", "seconds", "created"]


def choose_run(runs: list[Run]) -> Run | None:
    """Draw the filtered table, and return the run chosen in it or in the address."""
    shown = draw_filters(runs)
    if not shown:
        st.info("No run fits these filters.", icon=":material/filter_alt_off:")
        return None
    wanted = url_state.read().run
    named = next((run for run in shown if wanted and run.id.startswith(wanted)), None)
    if wanted and named is None:
        url_state.say_unmet("run", wanted)
    title = frame.run_titles()
    table = tables.runs_table(shown).reset_index()
    table["what"] = [title(run.recipe) for run in shown]
    event = st.dataframe(
        table[COLUMNS],
        width="stretch",
        hide_index=True,
        key=f"runs.{len(shown)}",
        on_select="rerun",
        selection_mode="single-row",
        height=min(38 + 35 * len(shown), 320),
        column_config={
            "created": st.column_config.DatetimeColumn(format="distance"),
            "seconds": st.column_config.NumberColumn(format="%.1f"),
            "what": st.column_config.TextColumn("what", width="medium"),
        },
    )
    rows: list[int] = event.selection.rows
    if rows and rows[0] < len(shown):
        url_state.write(run=shown[rows[0]].id)
        return shown[rows[0]]
    return named or next((run for run in shown if run.state is State.RUNNING), shown[0])


def draw_filters(runs: list[Run]) -> list[Run]:
    """Draw the filters by state, stage and task, and return the runs that fit."""
    there = {run.state for run in runs}
    with st.container(horizontal=True):
        state = _draw_filter("state", [state.value for state in State if state in there])
        stage = _draw_filter("stage", list(dict.fromkeys(run.recipe.stage for run in runs)))
        task = _draw_filter("task", list(dict.fromkeys(run.recipe.task for run in runs)))
    return details.filter_runs(runs, state, stage, task)


def _draw_filter(name: str, options: list[str]) -> str:
    key = url_state.bound_among(name, name, [ALL, *options], ALL)
    chosen = st.selectbox(name.capitalize(), [ALL, *options], key=key, width=220)
    wanted = "" if chosen == ALL else str(chosen)
    url_state.write(**{name: wanted})
    return wanted


def draw_run(run: Run) -> None:
    """Draw one run: state and progress, metrics, recipe, log, files."""
    st.subheader(frame.plain(frame.run_titles()(run.recipe)), anchor=False)
    st.caption(frame.plain(details.facts_line(run, cost.duration(run.seconds))))

    def draw() -> None:
        now = store.get(run.id)
        live.draw_run_state(now)
        if now.recipe.stage in ("finetune", "distil"):
            live.draw_curves(now, f"run.{run.id}")
        if activity.is_active(now):
            _draw_log(now)

    live.poll(draw, [run], f"run.{run.id}")
    with st.container(horizontal=True):
        run_buttons.draw_run_buttons(run, f"run.{run.id}")
        run_buttons.draw_delete_button(run, f"run.{run.id}")
    draw_metrics(run)
    recipe, log, files = st.tabs(["Recipe", "Log", "Files"])
    with recipe:
        st.json(run.recipe.to_json(), expanded=2)
    with log:
        _draw_log(run)
    with files:
        table = details.file_table(run.folder)
        where = run.folder if class_mode.is_lecturer() else "its folder"
        st.caption(frame.plain(f"{table['bytes'].sum() / 2**20:,.1f} MiB in {where}"))
        st.dataframe(table, width="stretch", hide_index=True, key="files")


def _draw_log(run: Run) -> None:
    if not class_mode.is_lecturer():
        st.caption("The log is the lecturer's: it may name folders of the machine.")
        return
    st.code(details.log_tail(run) or "The log is empty.", language=None)


def draw_metrics(run: Run) -> None:
    """Draw metrics by split, and the facts of the run."""
    if run.outcome.metrics:
        table = details.metric_table(run)
        st.dataframe(table, width="stretch", hide_index=True, key="metrics")
    if run.outcome.facts:
        with st.expander("Facts", icon=":material/info:"):
            st.json(run.outcome.facts)


frame.draw_header("Runs", "All runs, the latest first.")
every = store.runs()
if not every:
    frame.stop_with_link(
        "No run yet. The demo study makes eight.", "pages/start/home.py", "Run the demo study"
    )
chosen = choose_run(every)
if chosen:
    draw_run(chosen)
