"""A class on one server: visitors look, guess and answer; the lecturer alone changes things."""

import os
import secrets
import sys
from dataclasses import dataclass, field

import streamlit as st

from sparsekd.errors import BadInput
from sparsekd.lessons import class_answers
from sparsekd.runs import permission

LECTURER = "class.lecturer"  # in the session: whether the token was given
VISITOR = "class.visitor"  # in the session: a random name, for one answer per visitor
PARAMETER = "lecturer"


def _asked() -> bool:
    """Return whether the environment asks for a class.

    Raises:
        BadInput: it asks for a mode that there is not.
    """
    mode = os.environ.get("SPARSEKD_MODE", "")
    if mode not in ("", "class"):
        raise BadInput(f"There is no SPARSEKD_MODE {mode!r}.", "Set it to class, or not at all.")
    return mode == "class"


@dataclass
class ClassMode:
    """Whether this server is a class's, and the token that makes a visitor its lecturer.

    A server that was started as a class stays one; otherwise the lecturer begins and ends it.
    """

    started: bool = field(default_factory=_asked)
    token: str = field(
        default_factory=lambda: os.environ.get("SPARSEKD_TOKEN") or secrets.token_urlsafe(9)
    )
    begun: bool = False

    @property
    def on(self) -> bool:
        """Return whether there is a class."""
        return self.started or self.begun


MODE = ClassMode()


def announce() -> None:
    """Print the lecturer's token where there is a class."""
    if MODE.on:
        words = f"Class mode. The lecturer opens the dashboard with ?{PARAMETER}={MODE.token}"
        sys.stdout.write(f"{words}\n")
        sys.stdout.flush()


def is_lecturer() -> bool:
    """Return whether this visitor may launch, delete and export."""
    return not MODE.on or bool(st.session_state.get(LECTURER, False))


def refuse_visitors() -> None:
    """Refuse a change that is not the lecturer's.

    Raises:
        BadInput: this is a class, and the visitor is not its lecturer.
    """
    if not is_lecturer():
        raise BadInput(
            "In a class, only the lecturer launches, stops, deletes, uploads and exports.",
            "Look, guess and answer; or give the lecturer's token at the end of the page Home.",
        )


def sign_in(token: str) -> bool:
    """Make this visitor the lecturer where the token is right; return whether it is."""
    right = secrets.compare_digest(token.encode(), MODE.token.encode())
    if right:
        st.session_state[LECTURER] = True
    return right


def take_token() -> None:
    """Sign in by the token in the address, and take it out of the address."""
    token = st.query_params.get(PARAMETER)
    if token is not None:
        del st.query_params[PARAMETER]
        sign_in(token)


def visitor() -> str:
    """Return this session's random name."""
    return str(st.session_state.setdefault(VISITOR, secrets.token_hex(8)))


# --- on Home ---------------------------------------------------------------------------------


def draw_class() -> None:
    """Draw how a class begins and ends; to a visitor of a class, the box for the token."""
    with st.expander("Teach a class", icon=":material/groups:"):
        if not is_lecturer():
            _draw_sign_in()
        elif MODE.on:
            _draw_lecturer()
        else:
            st.caption(
                "Visitors then look, guess and answer; only you launch, stop, delete, upload and "
                "export. How a class reaches this server is in the README."
            )
            st.button("Begin a class", key="class.begin", on_click=_begin)


def _begin() -> None:
    """Begin a class: whoever does is its lecturer; the answers of the last one are forgotten."""
    st.session_state[LECTURER] = True
    MODE.begun = True
    class_answers.clear()
    announce()


def _end() -> None:
    if is_lecturer():
        MODE.begun = False


def _draw_lecturer() -> None:
    st.markdown(
        f"You are the lecturer. Your token is `{MODE.token}`: after a reload, or in another "
        f"browser, give it here, or open this dashboard with `?{PARAMETER}={MODE.token}`."
    )
    with st.container(horizontal=True):
        st.button("Forget the answers", key="class.clear", on_click=_forget)
        if not MODE.started:
            st.button("End the class", key="class.end", on_click=_end)


def _forget() -> None:
    if is_lecturer():
        class_answers.clear()


def _draw_sign_in() -> None:
    with st.form("class.sign_in", border=False):
        token = st.text_input("Lecturer's token", type="password")
        pressed = st.form_submit_button("Sign in")
    if not pressed:
        return
    if sign_in(token.strip()):
        st.rerun()
    st.error("That is not this server's token: it is printed where the server was started.")


permission.require(refuse_visitors)
