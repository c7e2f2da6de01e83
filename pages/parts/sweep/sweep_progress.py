"""Progress of a trade-off study: runs done, time left, failures; buttons to stop and resume."""

from collections.abc import Iterable
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from pages.parts.runs import run_buttons
from pages.parts.shell import frame, live, url_state
from sparsekd.runs import activity, store
from sparsekd.runs.records import Plan, Run, State
from sparsekd.studies import cost, steps
from sparsekd.system.wording import counted

EVERY = 3.0  # seconds between two reads of the store
COLUMNS = {
    "step": st.column_config.TextColumn("Step"),
    "share": st.column_config.ProgressColumn("Done", format="percent", min_value=0, max_value=1),
    "done": st.column_config.NumberColumn("Runs", width=60),
    "of": st.column_config.NumberColumn("Of", width=60),
    "running": st.column_config.NumberColumn("Running", width=70),
    "stopped": st.column_config.NumberColumn("Stopped", width=70),
}
RUN = st.column_config.LinkColumn("Run", display_text=r"run=(\w+)", help="Opens the page Runs.")


def draw_sweep_progress(plan: Plan, key: str, drawn: int | None = None) -> None:
    """Draw progress that updates itself, and buttons; nothing where all runs are done.

    `drawn` is the number of finished runs that the charts on the page include.
    """
    runs = store.plan_runs(plan)
    if all(run.state is State.DONE for run in runs.values()) and len(runs) == len(plan.steps):
        return
    with st.container(border=True):
        live.poll(
            lambda: _draw_progress(plan, drawn), runs.values(), f"{key}.progress", EVERY, True
        )
        run_buttons.draw_plan_buttons(plan, key)


def _draw_progress(plan: Plan, drawn: int | None) -> None:
    """Draw the bar, time left, failures, and a refresh where the charts are out of date."""
    runs = store.plan_runs(plan)
    states = [run.state for run in runs.values()]
    done, running, total = states.count(State.DONE), states.count(State.RUNNING), len(plan.steps)
    words = steps.states_in_words(runs.values(), total)
    st.progress(done / total, text=f"{done:,} of {total:,} runs done · {words}")
    if running:
        st.caption(_time_left(plan, running))
    elif activity.any_active(runs.values()):
        st.caption("The next runs are about to start.")
    else:
        st.caption("No run is active. Finished runs are kept: resume to run the rest.")
    if drawn is not None and done > drawn:
        words = f"Update the charts with {counted(done - drawn, 'more run')}"
        if st.button(words, icon=":material/refresh:", key="tradeoffs.draw"):
            st.rerun(scope="app")
    with st.expander("Step by step", icon=":material/checklist:"):
        st.dataframe(
            steps.progress_table(plan, runs),
            width="stretch",
            hide_index=True,
            column_config=COLUMNS,
            key="tradeoffs.parts",
            height="content",
        )
    _draw_failures(run for run in runs.values() if run.state in steps.STOPPED)


def _time_left(plan: Plan, running: int) -> str:
    budget = _budget(str(store.home()), plan.id, plan)
    return cost.time_left(budget, running)


@st.cache_data(ttl=20, max_entries=8, show_spinner=False)
def _budget(home: str, name: str, _plan: Plan) -> cost.CostEstimate:
    return cost.estimate(_plan)


def _draw_failures(runs: Iterable[Run]) -> None:
    """Draw the commonest reasons why runs stopped, and the list of those runs."""
    stopped = list(runs)
    for reason, count in steps.reasons(stopped).most_common(3):
        words = f"{counted(count, 'run')} stopped: {reason}"
        st.error(frame.plain(words), icon=":material/error:")
    if not stopped:
        return
    title = frame.run_titles()
    rows = [
        {
            "what": title(run.recipe),
            "state": run.state.value,
            "reason": run.outcome.message,
            "run": run_link(run.id),
        }
        for run in stopped
    ]
    with st.expander(f"Stopped runs ({len(stopped):,})", icon=":material/error:"):
        st.dataframe(
            pd.DataFrame(rows),
            width="stretch",
            hide_index=True,
            key="tradeoffs.failed",
            column_config={"run": RUN},
        )


def run_link(run: str) -> str:
    """Return the address of a run on the page Runs."""
    return address("runs", url_state.link(run=run))


def address(page: str, query: dict[str, str]) -> str:
    """Return the address of a page with these choices."""
    return f"/{page}?{urlencode(query)}"
