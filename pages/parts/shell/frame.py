"""The frame of every page: error boxes, header, the chosen study and device, table twins."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from pages.parts.shell import class_mode, sample_store, url_state
from sparsekd.errors import SparseKDError
from sparsekd.runs import jobs, outputs, store, tables
from sparsekd.runs.outputs import Outputs
from sparsekd.runs.records import Plan, Recipe, Run, State
from sparsekd.studies import by_hand, titles

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
def error_boundary() -> Iterator[None]:
    """Show an expected error where it happened; anything else is a bug and shows as one."""
    try:
        yield
    except SparseKDError as error:
        show_error(error)


def show_error(error: SparseKDError) -> None:
    """Draw an error's message and its hint."""
    st.error(plain(error.message), icon=":material/error:")
    if error.hint:
        st.info(plain(error.hint), icon=":material/lightbulb:")


def guarded(body: Callable[[], None]) -> Callable[[], None]:
    """Return a fragment's body inside an error boundary: the page's own does not cover it."""

    @wraps(body)
    def inner() -> None:
        with error_boundary(), sample_store.reading_chosen():
            body()

    return inner


def plain(text: str) -> str:
    """Escape text from data, so that Markdown shows it as it is."""
    return "".join(f"\\{sign}" if sign in r"\`*_{}[]()#+-!|~$:<>" else sign for sign in text)


# --- a page ----------------------------------------------------------------------------------


def draw_header(title: str, question: str) -> None:
    """Draw the page's name and, in one line, the question it answers."""
    st.header(title, anchor=False)
    st.caption(question)
    sample_store.draw_note()


def stop_with_link(message: str, page: str, label: str) -> None:
    """Draw what is missing and a button to the page that makes it; the script ends here."""
    st.info(message, icon=":material/info:")
    if st.button(label, type="primary", icon=":material/arrow_forward:", key="nothing.yet"):
        st.switch_page(page)
    st.stop()


def draw_table(frame: pd.DataFrame, name: str, key: str, label: str = "As a table") -> None:
    """Draw the table twin of a chart, folded away, with a download."""
    with st.expander(label, icon=":material/table:"):
        st.dataframe(frame, width="stretch", hide_index=True, key=f"{key}.table")
        draw_download(frame, name, f"{key}.csv")


def draw_columns(
    table: pd.DataFrame,
    columns: Mapping[str, ColumnConfig | str],
    key: str,
    name: str,
    download: pd.DataFrame | None = None,
) -> None:
    """Draw the named columns of a table as they are titled, with a download of the whole table.

    Args:
        columns: In the order in which they are shown; those that the table lacks are left out.
        download: What the file has, if it is another table.
    """
    shown = [column for column in columns if column in table]
    st.dataframe(
        table[shown],
        width="stretch",
        hide_index=True,
        height="content",
        placeholder="–",
        key=f"{key}.table",
        column_config={column: columns[column] for column in shown},
    )
    draw_download(table if download is None else download, name, f"{key}.csv")


def draw_download(frame: pd.DataFrame, name: str, key: str) -> None:
    """Draw a button that saves a frame as CSV."""
    st.download_button(
        "Download CSV",
        frame.to_csv(index=False).encode(),
        f"{name}.csv",
        "text/csv",
        key=key,
        icon=":material/download:",
        on_click="ignore",
    )


def is_local_only() -> bool:
    """Return whether only this machine can open the dashboard: then it may offer local paths."""
    return st.get_option("server.address") in LOOPBACK and not class_mode.MODE.on


# --- what is chosen --------------------------------------------------------------------------


def chosen_device() -> str:
    """Return the device chosen in the sidebar; "auto" takes the fastest free one."""
    return str(st.session_state.get("device", "auto"))


def submit(recipes: Iterable[Recipe], device: str = "") -> list[Run]:
    """Queue recipes on a device or the chosen one, in one's own store, which is then shown."""
    found = jobs.submit(recipes, device or chosen_device())
    sample_store.leave()
    return found


def submit_plan(plan: Plan) -> list[Run]:
    """Save a plan and queue its runs on the chosen device, likewise."""
    found = jobs.submit_plan(plan, chosen_device())
    sample_store.leave()
    return found


def device_label() -> str:
    """Return the chosen device and its description."""
    found = jobs.devices(detect=False)
    chosen = next((one for one in found if one.name == chosen_device()), None)
    if chosen:
        return plain(f"{chosen.name}: {chosen.words}")
    return plain(f"the fastest free device of: {'; '.join(one.words for one in found)}")


def current_study() -> Plan | None:
    """Return the study named in the address, otherwise the latest; None before the first."""
    wanted = store.current_id(url_state.read().study)
    known = by_hand.all_plans()
    return next((plan for plan in known if wanted and plan.id.startswith(wanted)), None) or (
        known[0] if known else None
    )


# --- cached reads ----------------------------------------------------------------------------


@st.cache_resource
def start_queue() -> None:
    """Start the queue once per server, so that runs left waiting by a crash go on."""
    jobs.start_queue_if_idle()


def run_titles() -> Callable[[Recipe], str]:
    """Return a function that titles a run: by its part in the latest study, else by its recipe."""
    found: dict[str, str] = {}
    for plan in by_hand.all_plans():
        steps = tuple((step.role, step.recipe.run_id) for step in plan.steps)
        found = _run_titles(steps, plan) | found
    return lambda recipe: found.get(recipe.run_id) or tables.title(recipe)


@st.cache_data(max_entries=64, show_spinner=False)
def _run_titles(steps: tuple[tuple[str, str], ...], _plan: Plan) -> dict[str, str]:
    return titles.run_titles(_plan)


def load_outputs(run: Run, split: str) -> Outputs | None:
    """Return logits and labels of a finished run; None where it has kept none."""
    return _load_outputs(str(run.folder), split, run.finished or 0.0)


@st.cache_data(max_entries=64, show_spinner=False)
def _load_outputs(folder: str, split: str, finished: float) -> Outputs | None:
    return outputs.load_outputs(Path(folder), split)
