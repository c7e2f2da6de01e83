"""What stands around every page: the hosts that may be asked for, and unexpected errors."""

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from sparsekd.runs import store
from sparsekd.system.unexpected import LOG, log_error

PRIVATE = "/_stcore/metrics"  # sessions and memory, for whoever asks


class HidePrivate:
    """Answer 404 for the server's own measurements."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, unless it is for a private path."""
        if scope["type"] == "http" and scope["path"].rstrip("/").endswith(PRIVATE):
            await PlainTextResponse("Not Found", status_code=404)(scope, receive, send)
            return
        await self.app(scope, receive, send)


def middleware() -> list[Middleware]:
    """Return what every request passes: Host is checked as for the websocket."""
    found = [Middleware(HidePrivate)]
    hosts = list(st.get_option("server.allowedHosts") or [])
    if hosts:
        found.append(Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False))
    return found


def show_unexpected(error: Exception) -> bool:
    """Show an unexpected error's number; its traceback goes into a log. Return that it is shown."""
    number = log_error(error, store.own_home())
    with st.container(key="unexpected"):
        st.error(
            f"An unexpected error, number {number}. This is a fault of the program: the file {LOG} "
            "in the folder of the runs has its traceback.",
            icon=":material/bug_report:",
        )
    return True
