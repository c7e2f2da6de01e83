"""The dashboard's frame: the server, page settings, navigation, sidebar, error boundary.

`streamlit run app.py` imports this file once, when the server starts, and finds `app` in it; then
it runs the file again for every visitor and every click.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import streamlit as st
from streamlit.runtime.pages_manager import PagesManager
from streamlit.starlette import App

from pages.parts.shell import protection
from sparsekd.runs import store

ICON = Path(__file__).parent / ".streamlit" / "icon.png"  # a named icon would come from elsewhere


class PageEntry(NamedTuple):
    """A page in the navigation: its script, its title, a Material icon, its address."""

    script: str
    title: str
    icon: str
    url: str


# By section; scripts of a section stand in the folder of its name. The page without an address is
# the one that opens first.
PAGES = {
    "Start": [
        PageEntry("pages/start/home.py", "Home", "home", ""),
        PageEntry("pages/start/learn.py", "Learn", "menu_book", "learn"),
    ],
    "Teacher": [
        PageEntry("pages/teacher/finetune.py", "Fine-tune", "school", "finetune"),
        PageEntry("pages/teacher/scores.py", "Scores", "grid_on", "scores"),
        PageEntry("pages/teacher/mask.py", "Mask", "content_cut", "mask"),
        PageEntry("pages/teacher/explain.py", "Explain", "frame_inspect", "explain"),
    ],
    "Student": [
        PageEntry("pages/student/distil.py", "Distil", "science", "distil"),
        PageEntry("pages/student/tradeoffs.py", "Trade-offs", "finance_mode", "tradeoffs"),
        PageEntry("pages/student/compare.py", "Compare", "balance", "compare"),
        PageEntry("pages/student/tryit.py", "Try it", "chat", "tryit"),
    ],
    "Runs": [PageEntry("pages/runs/overview.py", "Runs", "list_alt", "runs")],
}


@asynccontextmanager
async def ready(_: App) -> AsyncIterator[None]:
    """Prepare the server once, before the first visitor."""
    with suppress(OSError):  # the pages say what is wrong with the folder
        store.own_home().mkdir(mode=0o700, parents=True, exist_ok=True)  # the owner's alone
    # The folder pages/ is not the kind that Streamlit reads by itself. Until st.navigation has run
    # once it thinks so, and opens a link to a page behind a box that says "Page not found".
    PagesManager.uses_pages_directory = False
    # Loaded now, so that the first visitor does not wait for scipy, Altair and Plotly.
    for name in (
        "pages.parts.shell.charts",
        "pages.parts.shell.sidebar",
        "pages.parts.sweep.sweep_charts",
    ):
        import_module(name)
    import_module("sparsekd.figures")
    import_module("pages.parts.shell.class_mode").announce()
    yield


app = App(
    __file__,
    lifespan=ready,
    middleware=protection.middleware(),
    on_script_error=protection.show_unexpected,
)


def draw_app() -> None:
    """Draw the frame and, in it, the current page: one run of the script."""
    from pages.parts.shell import class_mode, frame, sample_store, sidebar, url_state

    st.set_page_config(page_title="SparseKD", page_icon=str(ICON), layout="wide")
    page = st.navigation(
        {
            section: [
                st.Page(
                    entry.script,
                    title=entry.title,
                    icon=f":material/{entry.icon}:",
                    url_path=entry.url,
                    default=not entry.url,
                )
                for entry in entries
            ]
            for section, entries in PAGES.items()
        }
    )
    with frame.error_boundary():
        frame.start_queue()
        class_mode.take_token()
        url_state.enter(page.url_path)
        sample_store.choose_store()
        with st.sidebar, sample_store.reading_chosen():
            sidebar.draw_sidebar()
    with frame.error_boundary(), sample_store.reading_chosen():
        page.run()


if __name__ == "__main__":
    draw_app()
