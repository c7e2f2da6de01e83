"""A store of the test's own, and pages as a link opens them."""

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pandas as pd
import pytest
import streamlit as st
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1 import AppTest

import app
from sparsekd.runs import store
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


@pytest.fixture(scope="session", autouse=True)
def installed_components() -> Iterator[None]:
    """Streamlit reads the metadata of every installed package once, not once for each page."""
    with pytest.MonkeyPatch.context() as patch:
        scan = cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", scan)
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty SPARSEKD_HOME of this test's own; no queue process is started."""
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    monkeypatch.setenv("SPARSEKD_SAMPLE", "off")  # tests/pages/test_sample.py has it on
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr("sparsekd.runs.jobs.start_queue", lambda: None)
    device = '{"name": "cpu", "words": "test processor", "memory": 0}'
    (tmp_path / "devices.json").write_text(f"[{device}]")
    st.cache_data.clear()
    st.cache_resource.clear()
    return tmp_path


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """`written(task, until)`: a store with a study, written once for all tests."""

    @cache
    def write(task: str, until: str) -> Path:
        home = tmp_path_factory.mktemp("written")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SPARSEKD_HOME", str(home))
            fill_plan(sample_plan(task=task), until)
        return home

    return write


@pytest.fixture
def fill(home: Path, written: Callable[[str, str], Path]) -> Callable[..., Plan]:
    """`fill(task="…", until="…")`: a study in this test's own store, done before a role."""

    def copied(task: str = "demo/sentiment", until: str = "") -> Plan:
        shutil.copytree(written(task, until), home, dirs_exist_ok=True)
        return store.plans()[0]

    return copied


@pytest.fixture
def study(fill: Callable[..., Plan]) -> Plan:
    """A finished study in the store."""
    return fill()


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
