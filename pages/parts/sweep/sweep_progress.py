"""A trade-off study at work: how far it is, how long still, what failed; stop all, go on."""

from collections import Counter
from urllib.parse import urlencode

import pandas as pd
import streamlit as st

from pages.parts.runs import run_buttons
from pages.parts.shell import frame, live, sidebar, url_state
from sparsekd.runs import store
from sparsekd.runs.records import Plan, Run, State
from sparsekd.studies import cost

EVERY = 3.0  # seconds between two looks
STUCK = (State.FAILED, State.INTERRUPTED)
PARTS = {
    "part": st.column_config.TextColumn("Part"),
    "share": st.column_config.ProgressColumn("Done", format="percent", min_value=0, max_value=1),
    "done": st.column_config.NumberColumn("Runs", width=60),
    "of": st.column_config.NumberColumn("Of", width=60),
    "running": st.column_config.NumberColumn("Running", width=70),
    "failed": st.column_config.NumberColumn("Stopped", width=70),
}
RUN = st.column_config.LinkColumn("Run", display_text=r"run=(\w+)", help="Opens the page Runs.")


def show(plan: Plan, key: str, drawn: int | None = None) -> None:
    """Progress that renews itself, and the buttons; nothing where all is done.

    `drawn` counts the finished runs that the pictures of the page know.
    """
    runs = frame.plan_runs(plan)
    if all(run.state is State.DONE for run in runs.values()) and len(runs) == len(plan.steps):
        return
    with st.container(border=True):
        live.poll(
            lambda: progress(plan, drawn), runs.values(), f"{key}.progress", EVERY, patient=True
        )
        run_buttons.of_plan(plan, key)


def progress(plan: Plan, drawn: int | None) -> None:
    """The bar, counts by part, what failed, and what the pictures do not know yet."""
    runs = frame.plan_runs(plan)
    counts = Counter(run.state for run in runs.values())
    done, total = counts[State.DONE], len(plan.steps)
    st.progress(done / total, text=f"{done:,} of {total:,} runs done · {states(counts, total)}")
    if counts[State.RUNNING]:
        st.caption(left(plan, counts[State.RUNNING]))
    elif live.move(runs.values()):
        st.caption("The next runs are about to begin.")
    else:
        st.caption("Nothing of it is at work. What is finished is kept: go on where it stopped.")
    if drawn is not None and done > drawn:
        words = f"Draw with {frame.counted(done - drawn, 'more run')}"
        if st.button(words, icon=":material/refresh:", key="tradeoffs.draw"):
            st.rerun(scope="app")
    with st.expander("Part by part", icon=":material/checklist:"):
        st.dataframe(
            parts(plan, runs), width="stretch", hide_index=True, column_config=PARTS,
            key="tradeoffs.parts", height="content",
        )  # fmt: skip
    failed([run for run in runs.values() if run.state in STUCK])


def states(counts: Counter[State], total: int) -> str:
    """How many are at work, wait, stopped, failed."""
    there = sum(counts.values())
    words = [
        f"{counts[state]:,} {state.value}"
        for state in State
        if counts[state] and state is not State.DONE
    ]
    words += [f"{total - there:,} not asked for"] if there < total else []
    return ", ".join(words)


def left(plan: Plan, running: int) -> str:
    """How long it still takes, from finished runs of the same kind."""
    budget = _budget(str(store.home()), plan.id, plan)
    if budget.unknown == budget.runs:
        return "Time left: not known before the first runs of each kind have ended."
    words = f"About {cost.duration(budget.wall(running))} left, {running} side by side"
    if budget.unknown:
        words += f", and {budget.unknown:,} runs of kinds that have not ended here yet"
    return f"{words}."


@st.cache_data(ttl=20, max_entries=8, show_spinner=False)  # type: ignore[untyped-decorator]
def _budget(home: str, name: str, _plan: Plan) -> cost.Budget:
    return cost.estimate(_plan)


def parts(plan: Plan, runs: dict[str, Run]) -> pd.DataFrame:
    """How far each part of the study is."""
    rows = []
    for stop in sidebar.stops(plan):
        names = [step.recipe.run_id for step in plan.steps if step.role in stop.roles]
        counts = Counter(runs[name].state for name in names if name in runs)
        rows.append(
            {
                "part": stop.title,
                "share": counts[State.DONE] / len(names),
                "done": counts[State.DONE],
                "of": len(names),
                "running": counts[State.RUNNING],
                "failed": sum(counts[state] for state in STUCK),
            }
        )
    return pd.DataFrame(rows)


def failed(runs: list[Run]) -> None:
    """Which runs failed or were killed, and why; those with the same reason in one line."""
    reasons = Counter(f"{run.outcome.message} {run.outcome.hint}".strip() for run in runs)
    for reason, count in reasons.most_common(3):
        words = f"{frame.counted(count, 'run')} stopped: {reason}"
        st.error(frame.plain(words), icon=":material/error:")
    if runs:
        title = frame.titles()
        with st.expander(f"Which stopped ({len(runs):,})", icon=":material/error:"):
            st.dataframe(
                pd.DataFrame(
                    [
                        {
                            "what": title(run.recipe),
                            "state": run.state.value,
                            "reason": run.outcome.message,
                            "run": run_link(run.recipe.run_id),
                        }
                        for run in runs
                    ]
                ),
                width="stretch", hide_index=True, key="tradeoffs.failed",
                column_config={"run": RUN},
            )  # fmt: skip


def run_link(run: str) -> str:
    """The address of a run on the page Runs."""
    return address("runs", url_state.link(run=run))


def address(page: str, query: dict[str, str]) -> str:
    """A page of this dashboard with choices."""
    return f"/{page}?{urlencode(query)}"
