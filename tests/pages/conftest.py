"""A store of the test's own, and pages as a link opens them."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import app
from sparsekd.runs.records import Plan
from tests.sample_study import fill_plan, sample_plan

ROOT = Path(__file__).parents[2]
NAMED_OTHERWISE = {
    entry.script
    for entries in app.PAGES.values()
    for entry in entries
    if entry.url != Path(entry.script).stem
} - {"pages/start/home.py"}


def table(app: AppTest, column: str) -> pd.DataFrame:
    """The first table on the page that has this column."""
    return next(shown.value for shown in app.dataframe if column in shown.value)


def has_pad(app: AppTest) -> bool:
    """Whether the page shows the pad; what it does is tested in Chromium."""
    return len(app.get("bidi_component")) == 1


def move_pad(app: AppTest, **place: float) -> AppTest:
    """Move to `lam` and `sparsity`, as the pad does when the hand rests."""
    for name, value in place.items():
        app.session_state[f"url.{name}"] = value
    return app.run()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty SPARSEKD_HOME of this test's own; no queue process is started."""
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sparsekd.runs.jobs.start_queue", lambda: None)
    device = '{"name": "cpu", "words": "test processor", "memory": 0}'
    (tmp_path / "devices.json").write_text(f"[{device}]")
    st.cache_data.clear()
    st.cache_resource.clear()
    return tmp_path


@pytest.fixture
def study(home: Path) -> Plan:
    """A finished study in the store."""
    return fill_plan(sample_plan())


@pytest.fixture
def open_page(home: Path) -> Callable[..., AppTest]:
    """`open_page("pages/student/compare.py", run="…")`: the page as a link opens it, no error."""

    def open_at(path: str = "", **query: str) -> AppTest:
        page = AppTest.from_file(str(ROOT / "app.py"), default_timeout=90)
        if path in NAMED_OTHERWISE:  # AppTest finds these only after a run
            page.run()
        if path:
            page.switch_page(path)
        page.query_params.update(query)
        page.run()
        assert not page.exception, [error.value for error in page.exception]
        return page

    return open_at
