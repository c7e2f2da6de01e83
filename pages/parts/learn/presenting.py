"""The presenter's view of a lesson: large type, no sidebar, the keys of a presenter's remote."""

import streamlit as st

from pages.parts.shell import url_state

KEYS = {False: ("Alt+P", "Alt+N"), True: ("PageUp", "PageDown")}
"""Keys back and forward, by whether the lesson is presented."""
STYLE = """<style>
[data-testid="stSidebar"], [data-testid="stExpandSidebarButton"], header { display: none; }
[data-testid="stMain"] .stMarkdown p, [data-testid="stMain"] .stMarkdown li,
[data-testid="stMain"] label p { font-size: 1.5rem; line-height: 1.5; }
[data-testid="stMain"] h3 { font-size: 2.2rem; }
[data-testid="stMain"] [data-testid="stCaptionContainer"] p { font-size: 1rem; }
</style>"""


def enlarge() -> None:
    """Draw the page for a projector, where the address asks for it."""
    if url_state.read().present:
        st.html(STYLE)


def draw_switch() -> None:
    """Draw the way into the presenter's view, and out of it."""
    present = url_state.read().present
    label = "End presenting" if present else "Present"
    if st.button(label, type="tertiary", icon=":material/slideshow:", key="learn.present"):
        url_state.jump(present=not present)
