"""The sample study on the pages: there at once, never changed, gone with the first own run."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import app
from pages.parts.shell import frame
from sparsekd.runs import jobs, sample, store
from sparsekd.studies import sample as recipe
from tests.sample_study import fill_plan, sample_plan

PAGES = [entry.script for entries in app.PAGES.values() for entry in entries]
Open = Callable[..., AppTest]


@pytest.fixture
def home(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store beside the sample."""
    monkeypatch.delenv("SPARSEKD_SAMPLE")
    return home


def notes(page: AppTest) -> list[str]:
    return [each.value for each in page.caption if "Sample study" in each.value]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_alive_on_the_sample(open_page: Open, path: str) -> None:
    page = open_page(path)

    assert [error.value for error in page.error] == []
    assert len(notes(page)) == 1
    assert not [box for box in page.info if "No " in box.value and " yet" in box.value]


def test_the_first_run_of_ones_own_ends_the_look_at_the_sample(open_page: Open) -> None:
    page = open_page()
    page.button(key="demo").click().run()

    assert notes(page) == []
    assert len(store.queued()) == len(recipe.stark.plan(recipe.stark.demo()).steps)


def test_the_sample_comes_back_on_request_and_goes_with_a_launch(open_page: Open) -> None:
    fill_plan(sample_plan())
    assert notes(open_page()) == []

    page, another = open_page(sample="1"), open_page(sample="1")
    assert len(notes(page)) == 1

    page.button(key="demo").click().run()
    assert notes(page) == []
    assert len(notes(another.run())) == 1  # the other visitor goes on looking


def test_the_sidebar_polls_ones_own_runs_beside_the_sample(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken: list[str] = []
    monkeypatch.setattr(jobs, "start_queue", lambda: woken.append("woken"))
    monkeypatch.setattr(frame, "start_queue", lambda: None)  # which wakes the queue once
    fill_plan(sample_plan(), until="student")
    page = open_page(sample="1")

    assert len(notes(page)) == 1
    assert woken


def test_what_is_launched_from_the_sample_is_trained_anew(home: Path) -> None:
    (probe, *_) = recipe.measurements()
    with store.reading(sample.unpack()):
        jobs.submit([probe])

    queued = {run.id for run in store.queued()}
    assert len(probe.needs) == 3  # the teacher, its trial student, and their scores
    assert queued == {probe.run_id, *probe.needs}


def test_nothing_of_the_sample_is_deleted(home: Path) -> None:
    from sparsekd.errors import BadInput

    with store.reading(sample.unpack()):
        runs = store.runs()
        with pytest.raises(BadInput, match="is the sample study's"):
            store.delete(runs[0].id)
        assert len(store.runs()) == len(runs)


def test_the_sample_is_of_todays_format(home: Path) -> None:
    """Its runs are those that its recipe asks for today, each under today's id."""
    plans = recipe.plans()
    wanted = {step.recipe.run_id for plan in plans for step in plan.steps}
    wanted |= {each.run_id for each in recipe.measurements()}
    with store.reading(sample.unpack()):
        assert [plan.id for plan in store.plans()] == [plan.id for plan in plans]
        assert {run.id for run in store.runs()} == wanted
        assert {run.state for run in store.runs()} == {store.State.DONE}


def test_the_first_page_needs_no_torch(home: Path) -> None:
    code = (
        "import sys\n"
        "from streamlit.testing.v1 import AppTest\n"
        "page = AppTest.from_file('app.py', default_timeout=90).run()\n"
        "assert not page.exception and any('Sample study' in c.value for c in page.caption)\n"
        "heavy = {'torch', 'transformers', 'datasets', 'captum'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
