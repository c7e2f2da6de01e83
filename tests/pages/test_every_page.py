"""Every page opens with nothing, with a study half done, and with a finished one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from sparsekd.runs.records import Plan
from tests.sample_study import fill_plan, sample_plan

PAGES = (
    "pages/start/home.py",
    "pages/teacher/finetune.py",
    "pages/teacher/scores.py",
    "pages/teacher/mask.py",
    "pages/teacher/explain.py",
    "pages/student/distil.py",
    "pages/student/tradeoffs.py",
    "pages/student/compare.py",
    "pages/runs/overview.py",
)
Open = Callable[..., AppTest]


def complaints(app: AppTest) -> list[str]:
    return [error.value for error in app.error]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_opens_with_an_empty_store(open_page: Open, path: str) -> None:
    app = open_page(path)

    assert complaints(app) == []
    assert len(app.header) == 1


@pytest.mark.parametrize("path", PAGES)
def test_a_page_opens_with_a_finished_study(open_page: Open, study: Plan, path: str) -> None:
    assert complaints(open_page(path)) == []


@pytest.mark.parametrize("until", ["teacher", "scores"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_opens_while_a_study_is_under_way(
    open_page: Open, home: Path, path: str, until: str
) -> None:
    fill_plan(sample_plan(), until)

    assert complaints(open_page(path)) == []


def test_no_page_stands_directly_in_the_folder_of_pages() -> None:
    assert list((Path(__file__).parents[2] / "pages").glob("*.py")) == []
