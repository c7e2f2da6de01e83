"""A link that names what is not here says so, and the page shows something else."""

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from sparsekd.runs import store
from sparsekd.runs.records import Plan

Open = Callable[..., AppTest]
GONE = "0123456789ab"


@pytest.mark.parametrize(
    "page, name, what",
    [
        ("teacher/finetune", "teacher", "teacher"),
        ("teacher/mask", "scores", "scores"),
        ("student/distil", "run", "student"),
        ("student/compare", "first", "model"),
        ("runs/overview", "run", "run"),
        ("start/home", "study", "study"),
    ],
)
def test_what_is_not_here_is_named(
    study: Plan, open_page: Open, page: str, name: str, what: str
) -> None:
    shown = open_page(f"pages/{page}.py", **{name: GONE})

    assert f"The link names the {what} `{GONE}`, which is not here." in [
        each.value for each in (*shown.warning, *shown.sidebar.warning)
    ]
    assert not shown.error


def test_the_beginning_of_a_name_is_enough(study: Plan, open_page: Open) -> None:
    oldest = store.runs("distil")[-1].id
    shown = open_page("pages/student/distil.py", run=oldest[:6])

    assert shown.selectbox(key="url.run").value == oldest
    assert not [each for each in shown.warning if "link names" in each.value]
