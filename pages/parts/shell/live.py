"""What moves while runs work: polling, progress in words, curves that grow."""

from collections.abc import Callable, Iterable

import streamlit as st

from pages.parts.shell import frame
from sparsekd.runs import jobs, store, tables
from sparsekd.runs.records import UNFINISHED, Progress, Run, State
from sparsekd.studies import cost

TITLES = {"loss": "Loss terms", "selection": "Selection split", "rate": "Step size"}


def poll(
    body: Callable[[], None],
    runs: Iterable[Run],
    key: str,
    seconds: float = 1.0,
    patient: bool = False,
) -> None:
    """Draw `body`, again and again while one of the runs moves, and the whole page when one ends.

    Where `patient`, the page is drawn anew only when no run moves any more: among hundreds of
    runs one ends every second, and what a visitor reads must not be drawn away.
    """
    seen = {run.id: run.state for run in runs}
    moving = move(store.several(seen).values())

    @frame.guarded
    def look() -> None:
        if moving:
            jobs.wake_if_asleep()  # a killed queue process must not leave runs waiting
        body()
        found = store.several(seen)
        changed = {name: run.state for name, run in found.items()} != seen
        if moving and (not move(found.values()) if patient else changed):
            st.rerun(scope="app")

    st.fragment(look, run_every=seconds if moving else None, key=key)()


def moves(run: Run) -> bool:
    """Whether a run works, or waits for nothing that has stopped."""
    if run.state is State.QUEUED:
        return jobs.blocker(run) is None
    return run.state is State.RUNNING


def move(runs: Iterable[Run]) -> bool:
    """Whether one of the runs moves; what hundreds of them wait for is looked up at once."""
    waiting = []
    for run in runs:
        if run.state is State.RUNNING:
            return True
        if run.state is State.QUEUED:
            waiting.append(run)
    inputs = store.several({name for run in waiting for name in run.recipe.needs})
    held = {name for name, run in inputs.items() if run.state is not State.DONE}
    if any(held.isdisjoint(run.recipe.needs) for run in waiting):
        return True
    known = {run.id for run in waiting}  # these wait for one another, and so for the others
    return any(moves(inputs[name]) for name in held - known)


def unfinished() -> list[Run]:
    """Every run that waits or works."""
    return store.runs(states=UNFINISHED)


def bar(progress: Progress, words: str = "") -> None:
    """A bar with the phase, and the numbers behind it."""
    share = f"{progress.share:.0%}"
    doing = words or progress.phase or "waiting"
    st.progress(progress.share, text=frame.plain(f"{doing} · {share}"))
    facts = [
        f"about {cost.duration(progress.eta)} left" if progress.eta is not None else "",
        f"{progress.examples_per_second:,.0f} examples/s" if progress.examples_per_second else "",
        f"{progress.memory_mib:,.0f} MiB of memory" if progress.memory_mib else "",
    ]
    st.caption(" · ".join(fact for fact in facts if fact) or "Time left: not known yet.")


def run_state(run: Run) -> None:
    """One run's state in words, with its bar while it works and its reason when it stopped."""
    st.markdown(f"{frame.STATE_ICONS[run.state]} **{run.state.value.capitalize()}**")
    if run.state is State.RUNNING:
        bar(run.progress)
    elif run.state is State.QUEUED:
        st.caption(waiting_for(run))
    elif run.outcome.message:
        st.warning(frame.plain(f"{run.outcome.message} {run.outcome.hint}"))


def waiting_for(run: Run) -> str:
    """Why a queued run has not begun."""
    stopped = jobs.blocker(run)
    if stopped:
        return (
            f"Waits for run {stopped.id}, which is {stopped.state.value}: "
            "resume that one, and this one follows."
        )
    places = [waiting.id for waiting in store.queued()]
    if run.id not in places:
        return "About to begin."
    return f"Number {places.index(run.id) + 1} of {len(places)} in the queue."


def curves(run: Run, key: str) -> None:
    """The numbers a run logs, one chart per kind, each line by its name."""
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
    frame.table(logged, f"curves-{run.id}", f"{key}.curves")
