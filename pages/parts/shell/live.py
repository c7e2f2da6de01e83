"""Views that update while runs work: polling, progress, curves that grow."""

from collections.abc import Callable, Iterable

import streamlit as st

from pages.parts.shell import frame, sample_store
from sparsekd.runs import activity, jobs, store, tables
from sparsekd.runs.records import Progress, Run, State
from sparsekd.studies import cost

TITLES = {"loss": "Loss terms", "selection": "Selection split", "rate": "Learning rate"}


def poll(
    body: Callable[[], None],
    runs: Iterable[Run],
    key: str,
    seconds: float = 1.0,
    patient: bool = False,
    own: bool = False,
) -> None:
    """Draw `body` periodically while one of the runs is active, and the whole page when one ends.

    With `patient`, the page is rerun only when no run is active any more: among hundreds of runs
    one ends every second, and a rerun would interrupt reading.

    Args:
        own: The runs are in one's own store, also while the page shows the sample.
    """
    seen = {run.id: run.state for run in runs}
    folder = None if own else sample_store.shown()
    with store.reading(folder):
        active = activity.any_active(store.get_many(seen).values())

    @frame.guarded
    def redraw() -> None:
        if active:
            jobs.start_queue_if_idle()  # a killed queue process must not leave runs waiting
        body()
        with store.reading(folder):
            found = store.get_many(seen)
            changed = {name: run.state for name, run in found.items()} != seen
            ended = not activity.any_active(found.values()) if patient else changed
        if active and ended:
            st.rerun(scope="app")

    st.fragment(redraw, run_every=seconds if active else None, key=key)()


def draw_progress(progress: Progress, label: str = "") -> None:
    """Draw a progress bar with the phase, time left, throughput and memory."""
    phase = label or progress.phase or "waiting"
    st.progress(progress.share, text=frame.plain(f"{phase} · {progress.share:.0%}"))
    facts = [
        f"about {cost.duration(progress.eta)} left" if progress.eta is not None else "",
        f"{progress.examples_per_second:,.0f} examples/s" if progress.examples_per_second else "",
        f"{progress.memory_mib:,.0f} MiB of memory" if progress.memory_mib else "",
    ]
    st.caption(" · ".join(fact for fact in facts if fact) or "Time left: unknown yet.")


def draw_run_state(run: Run) -> None:
    """Draw one run's state, its progress while it runs, and its reason where it stopped."""
    st.markdown(f"{frame.STATE_ICONS[run.state]} **{run.state.value.capitalize()}**")
    if run.state is State.RUNNING:
        draw_progress(run.progress)
    elif run.state is State.QUEUED:
        st.caption(activity.waiting_reason(run))
    elif run.outcome.message:
        st.warning(frame.plain(f"{run.outcome.message} {run.outcome.hint}"))


def draw_curves(run: Run, key: str) -> None:
    """Draw what a run has logged: one chart of loss terms, one of the selection split."""
    logged = tables.curves(run.id)
    if logged.empty:
        st.caption("Nothing logged yet.")
        return
    from pages.parts.shell import charts

    kinds = logged["name"].str.split("/").str[0]
    shown = [kind for kind in ("loss", "selection") if (kinds == kind).any()]
    for place, kind in zip(st.columns(len(shown)) if shown else [], shown, strict=True):
        part = logged[kinds == kind]
        with place:
            st.markdown(f"**{TITLES[kind]}**")
            names = ", ".join(sorted(part["name"].unique()))
            st.altair_chart(
                charts.lines(part, dots=kind == "selection"),
                width="stretch",
                key=f"{key}.{kind}",
                alt=f"{TITLES[kind]} over optimiser steps: {names}.",
            )
    frame.draw_table(logged, f"curves-{run.id}", f"{key}.curves")
