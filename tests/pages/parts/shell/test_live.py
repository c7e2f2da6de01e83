"""Polling while runs are active."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.shell import frame
from sparsekd.runs import jobs
from tests.sample_study import fill_plan, sample_plan


def test_polling_restarts_a_queue_that_was_killed(
    open_page: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[str] = []
    monkeypatch.setattr(jobs, "start_queue", lambda: woken.append("woken"))
    # Long after the server's start, which wakes the queue once.
    monkeypatch.setattr(frame, "start_queue", lambda: None)
    fill_plan(sample_plan(), until="student")
    open_page("pages/start/home.py")

    assert woken
