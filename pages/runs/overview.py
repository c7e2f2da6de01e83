"""Runs: what is happening, what happened?"""

from datetime import datetime
from pathlib import Path

import pandas as pd
import streamlit as st

from pages.parts.runs import run_buttons
from pages.parts.shell import frame, live, url_state
from sparsekd.runs import activity, store, tables
from sparsekd.runs.records import Run, State
from sparsekd.studies import cost

TAIL = 60  # lines of the log
ALL = "all"


def choose(runs: list[Run]) -> Run | None:
    """The filtered table, and the run chosen in it or in the address."""
    shown = filtered(runs)
    if not shown:
        st.info("No run fits these filters.", icon=":material/filter_alt_off:")
        return None
    wanted = url_state.read().run
    named = next((run for run in shown if wanted and run.id.startswith(wanted)), None)
    title = frame.run_titles()
    table = tables.runs_table(shown).reset_index()
    table["what"] = [title(run.recipe) for run in shown]
    columns = ["id", "state", "what", "task", "seed", "device", "seconds", "created"]
    event = st.dataframe(
        table[columns],
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


def filtered(runs: list[Run]) -> list[Run]:
    """The runs that fit the filters above the table."""
    states = [ALL, *(state.value for state in State if any(run.state is state for run in runs))]
    stages = [ALL, *dict.fromkeys(run.recipe.stage for run in runs)]
    names = [ALL, *dict.fromkeys(run.recipe.task for run in runs)]
    with st.container(horizontal=True):
        state = _filter("State", states, "state")
        stage = _filter("Stage", stages, "stage")
        task = _filter("Task", names, "task")
    return [
        run
        for run in runs
        if state in (ALL, run.state.value)
        and stage in (ALL, run.recipe.stage)
        and task in (ALL, run.recipe.task)
    ]


def _filter(label: str, options: list[str], name: str) -> str:
    key = url_state.bound(name)
    if st.session_state[key] not in options:
        st.session_state[key] = ALL
    chosen = str(st.selectbox(label, options, key=key, width=220))
    url_state.write(**{name: "" if chosen == ALL else chosen})
    return chosen


def show(run: Run) -> None:
    """One run: state and progress, numbers, recipe, log, files."""
    st.subheader(frame.plain(frame.run_titles()(run.recipe)), anchor=False)
    st.caption(frame.plain(_facts(run)))

    def draw() -> None:
        now = store.get(run.id)
        live.draw_run_state(now)
        if now.recipe.stage in ("finetune", "distil"):
            live.draw_curves(now, f"run.{run.id}")
        if activity.is_active(now):
            st.code(tail(now.folder / "log.txt") or "Nothing written yet.", language=None)

    live.poll(draw, [run], f"run.{run.id}")
    with st.container(horizontal=True):
        run_buttons.draw_run_buttons(run, f"run.{run.id}")
        run_buttons.draw_delete_button(run, f"run.{run.id}")
    metrics(run)
    recipe, log, files = st.tabs(["Recipe", "Log", "Files"])
    with recipe:
        st.json(run.recipe.to_json(), expanded=2)
    with log:
        st.code(tail(run.folder / "log.txt") or "Nothing written yet.", language=None)
    with files:
        found = disk(run.folder)
        st.caption(f"{found['bytes'].sum() / 2**20:,.1f} MiB in {run.folder}")
        st.dataframe(found, width="stretch", hide_index=True, key="files")


def _facts(run: Run) -> str:
    began = datetime.fromtimestamp(run.created).strftime("%d %b %Y, %H:%M")
    parts = [
        run.id,
        tables.STAGES[run.recipe.stage],
        run.recipe.task,
        f"seed {run.recipe.seed}",
        f"device {run.device}",
        f"asked for on {began}",
        f"worked {cost.duration(run.seconds)}" if run.seconds else "",
    ]
    return " · ".join(part for part in parts if part)


def metrics(run: Run) -> None:
    """Metrics by split, and the facts of the run."""
    if run.outcome.metrics:
        table = pd.DataFrame(run.outcome.metrics).T.rename_axis("split").reset_index()
        st.dataframe(table, width="stretch", hide_index=True, key="metrics")
    if run.outcome.facts:
        with st.expander("Facts", icon=":material/info:"):
            st.json(run.outcome.facts)


def tail(path: Path) -> str:
    """The end of a log."""
    if not path.exists():
        return ""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-TAIL:])


def disk(folder: Path) -> pd.DataFrame:
    """The files of a run and their sizes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    rows = [(str(path.relative_to(folder)), path.stat().st_size) for path in files]
    return pd.DataFrame(rows, columns=["file", "bytes"])


frame.draw_header("Runs", "What is happening, what happened? The latest first.")
every = store.runs()
if not every:
    frame.stop_with_link(
        "No run yet. The demo study makes eight.", "pages/start/home.py", "Run the demo study"
    )
at_hand = choose(every)
if at_hand:
    show(at_hand)
