"""What every page shares: errors in words, its question, the chosen study, tables beside charts."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from pages.parts.shell import url_state
from sparsekd.errors import SparseKDError
from sparsekd.runs import jobs, references, store, tables
from sparsekd.runs.records import Plan, Recipe, Run, State
from sparsekd.studies import roles, sweep
from sparsekd.tasks.cards import TaskCard

STATE_ICONS = {
    State.QUEUED: ":material/schedule:",
    State.RUNNING: ":material/progress_activity:",
    State.DONE: ":material/check_circle:",
    State.FAILED: ":material/error:",
    State.CANCELLED: ":material/block:",
    State.INTERRUPTED: ":material/power_off:",
}
LOOPBACK = ("127.0.0.1", "localhost", "::1")


# --- errors ----------------------------------------------------------------------------------


@contextmanager
def errors_in_words() -> Iterator[None]:
    """Show an expected error where it happened; anything else is a bug and shows as one."""
    try:
        yield
    except SparseKDError as error:
        tell(error)


def tell(error: SparseKDError) -> None:
    """An error's message and what to do about it."""
    st.error(plain(error.message), icon=":material/error:")
    if error.hint:
        st.info(plain(error.hint), icon=":material/lightbulb:")


def guarded(body: Callable[[], None]) -> Callable[[], None]:
    """A fragment's body with errors in words: the page's own guard does not cover fragments."""

    @wraps(body)
    def inner() -> None:
        with errors_in_words():
            body()

    return inner


def plain(text: str) -> str:
    """Text from data, so that Markdown shows it as it is."""
    return "".join(f"\\{sign}" if sign in r"\`*_{}[]()#+-!|~$:<>" else sign for sign in text)


# --- a page ----------------------------------------------------------------------------------


def question(title: str, asks: str) -> None:
    """The page's name and, in one line, the question it answers."""
    st.header(title, anchor=False)
    st.caption(asks)


def nothing_yet(words: str, page: str, label: str) -> None:
    """Say what is missing, with a button to the page where it is made; ends the page."""
    st.info(words, icon=":material/info:")
    if st.button(label, type="primary", icon=":material/arrow_forward:", key="nothing.yet"):
        st.switch_page(page)
    st.stop()


def table(frame: pd.DataFrame, name: str, key: str, words: str = "As a table") -> None:
    """The table twin of a chart, folded away, to read and to download."""
    with st.expander(words, icon=":material/table:"):
        st.dataframe(frame, width="stretch", hide_index=True, key=f"{key}.table")
        download(frame, name, f"{key}.csv")


def download(frame: pd.DataFrame, name: str, key: str) -> None:
    """A button that saves a frame as CSV."""
    st.download_button(
        "Download CSV",
        frame.to_csv(index=False).encode(),
        f"{name}.csv",
        "text/csv",
        key=key,
        icon=":material/download:",
        on_click="ignore",
    )


def local_visitors() -> bool:
    """Whether only this machine can open the dashboard: then a typed path is the owner's own."""
    return st.get_option("server.address") in LOOPBACK


def device() -> str:
    """The device chosen in the sidebar; "auto" takes the fastest free one."""
    return str(st.session_state.get("device", "auto"))


def device_words() -> str:
    """The chosen device and what it is."""
    found = jobs.devices(look=False)
    chosen = next((one for one in found if one.name == device()), None)
    if chosen:
        return plain(f"{chosen.name}: {chosen.words}")
    return plain(f"the fastest free device of: {'; '.join(one.words for one in found)}")


def counted(number: int, one: str, several: str = "") -> str:
    """A count with its noun: 1 run, 2 runs."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


# --- what there is ---------------------------------------------------------------------------


@st.cache_resource  # type: ignore[untyped-decorator]
def wake_the_queue() -> None:
    """Once per server: runs that a crash left waiting go on."""
    jobs.wake_if_asleep()


def current_study() -> Plan | None:
    """The study named in the address, otherwise the latest; None before the first."""
    wanted = url_state.read().study
    known = store.plans()
    return next((plan for plan in known if wanted and plan.id.startswith(wanted)), None) or (
        known[0] if known else None
    )


def titles() -> Callable[[Recipe], str]:
    """What a run is in words: its part in the latest study that has it, else by its recipe."""
    parts: dict[str, str] = {}
    for plan in store.plans():
        if plan.kind == "sweep":
            parts = cells(plan) | parts
            continue
        several = len({step.seed for step in plan.steps}) > 1
        for step in plan.steps:
            seeded = several and step.recipe.stage not in ("finetune", "score")
            seed = f", seed {step.seed}" if seeded else ""
            parts.setdefault(step.recipe.run_id, f"{roles.title(step.role)}{seed}")
    return lambda recipe: parts.get(recipe.run_id) or tables.title(recipe)


def cells(plan: Plan) -> dict[str, str]:
    """What the runs of a trade-off study are, each with its place in the grid."""
    found: dict[str, str] = _cells(plan.id, plan)
    return found


@st.cache_data(max_entries=16, show_spinner=False)  # type: ignore[untyped-decorator]
def _cells(name: str, _plan: Plan) -> dict[str, str]:
    words = {
        step.recipe.run_id: tables.title(step.recipe)
        if step.recipe.stage == "prune"
        else roles.title(step.role)
        for step in _plan.steps
    }
    for cell in sweep.cells(_plan).itertuples():
        parts = [
            words[cell.run],
            f"λ {cell.lam:g}" if cell.ranking == "scores" else "",
            f"sparsity {cell.sparsity:.0%}" if cell.sparsity > 0 else "",
            f"number {cell.attempt}" if cell.attempt else "",
            f"seed {cell.seed}",
        ]
        words[cell.run] = ", ".join(part for part in parts if part)
    return words


def plan_runs(plan: Plan) -> dict[str, Run]:
    """The runs of a plan that exist, by id, in one read."""
    return store.several(step.recipe.run_id for step in plan.steps)


def task_card(name: str) -> TaskCard | None:
    """The card of a run's task; None where its folder has moved."""
    return references.cards().get(name)


Outputs = tuple[NDArray[Any], NDArray[Any]]


def outputs(run: Run, split: str) -> Outputs | None:
    """Logits (N, C) and labels (N,) of a finished run; None where it kept none."""
    found: Outputs | None = _outputs(str(run.folder), split, run.finished or 0.0)
    return found


@st.cache_data(max_entries=64, show_spinner=False)  # type: ignore[untyped-decorator]
def _outputs(folder: str, split: str, finished: float) -> Outputs | None:
    files = [Path(folder) / f"{name}-{split}.npy" for name in ("logits", "labels")]
    if not all(file.exists() for file in files):
        return None
    return np.load(files[0], allow_pickle=False), np.load(files[1], allow_pickle=False)
