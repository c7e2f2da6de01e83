"""A class on one server: visitors look, guess and answer; the lecturer alone changes things."""

import os
import secrets
import sys
from dataclasses import dataclass, field

import streamlit as st

from sparsekd.errors import BadInput
from sparsekd.runs import permission

LECTURER = "class.lecturer"  # in the session: whether the token was given
VISITOR = "class.visitor"  # in the session: a random name, for one answer per visitor
PARAMETER = "lecturer"


@dataclass
class ClassMode:
    """Whether this server is a class's, and the token that makes a visitor its lecturer."""

    on: bool = field(default_factory=lambda: os.environ.get("SPARSEKD_MODE") == "class")
    token: str = field(
        default_factory=lambda: os.environ.get("SPARSEKD_TOKEN") or secrets.token_urlsafe(9)
    )


MODE = ClassMode()


def begin() -> None:
    """Check every change from now on, and print the lecturer's token where a class begins."""
    permission.require(refuse_visitors)
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
    """Draw the switch of the class mode; to a visitor of a class, the box for the token."""
    with st.expander("Teach a class", icon=":material/groups:"):
        if not is_lecturer():
            _draw_sign_in()
            return
        on = st.toggle("Class mode", value=MODE.on, key="class.on")
        if on != MODE.on:
            st.session_state[LECTURER] = True  # whoever switches it on goes on as the lecturer
            MODE.on = on
            st.rerun()
        if not on:
            st.caption(
                "Visitors then look, guess and answer; only you launch, stop, delete, upload and "
                "export. How a class reaches this server is in the README."
            )
            return
        st.markdown(
            f"You are the lecturer. In another browser open this dashboard with "
            f"`?{PARAMETER}={MODE.token}`, or give the token `{MODE.token}` here."
        )


def _draw_sign_in() -> None:
    with st.form("class.sign_in", border=False):
        token = st.text_input("Lecturer's token", type="password")
        pressed = st.form_submit_button("Sign in")
    if not pressed:
        return
    if sign_in(token.strip()):
        st.rerun()
    st.error("That is not this server's token: it was printed when the server started.")
