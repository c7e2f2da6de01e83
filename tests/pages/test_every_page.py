"""Every page opens with nothing, with a study half done, and with a finished one."""

from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import app
from sparsekd.runs.records import Plan
from tests.sample_study import launch_singly, sample_plan

PAGES = [entry.script for entries in app.PAGES.values() for entry in entries]
ROOT = Path(__file__).parents[2]
Open = Callable[..., AppTest]


def complaints(page: AppTest) -> list[str]:
    return [error.value for error in page.error]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_opens_with_an_empty_store(open_page: Open, path: str) -> None:
    page = open_page(path)

    assert complaints(page) == []
    assert len(page.header) == 1, "draw_header names a page"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_opens_with_a_finished_study(open_page: Open, study: Plan, path: str) -> None:
    assert complaints(open_page(path)) == []


@pytest.mark.parametrize("until", ["teacher", "scores"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_opens_while_a_study_is_under_way(
    open_page: Open, fill: Callable[..., Plan], path: str, until: str
) -> None:
    fill(until=until)

    assert complaints(open_page(path)) == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_opens_with_a_study_of_several_labels(
    open_page: Open, fill: Callable[..., Plan], path: str
) -> None:
    fill(task="demo/aspects")

    assert complaints(open_page(path)) == []


def test_every_script_of_a_section_is_in_the_navigation() -> None:
    folders = {section.lower(): entries for section, entries in app.PAGES.items()}
    scripts = {str(path.relative_to(ROOT)) for path in (ROOT / "pages").glob("*/*.py")}

    assert scripts == set(PAGES)
    for folder, entries in folders.items():
        assert {Path(entry.script).parent.name for entry in entries} == {folder}


def test_no_page_stands_directly_in_the_folder_of_pages() -> None:
    assert list((ROOT / "pages").glob("*.py")) == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_follows_a_teacher_of_ones_own(
    open_page: Open, fill: Callable[..., Plan], path: str
) -> None:
    """Its runs were launched one by one; an older study of another teacher is not shown."""
    fill(task="demo/inference")
    launch_singly(sample_plan(), until="sparse_teacher")
    page = open_page(path)

    assert complaints(page) == []
    assert page.session_state["url.study"] == sample_plan().steps[0].recipe.run_id
