"""The check of a device beside the device picker: started, at work, done."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from sparsekd.check import CheckRow, Difference
from sparsekd.check.suite import summary
from sparsekd.runs import device_checks
from sparsekd.runs.device_checks import CheckProgress

Open = Callable[..., AppTest]

ROWS = [
    CheckRow("mask", "ok", differences=(Difference("heads", 0.01, 0.05, "rounding"),)),
    CheckRow("ablation", "failed", "RuntimeError: two devices"),
    CheckRow("attributions: tokens", "not run", "captum is not installed"),
]


def words(app: AppTest) -> str:
    return " ".join(str(each.value) for kind in (app.markdown, app.warning) for each in kind)


def button(app: AppTest, label: str) -> Any:
    return next(each for each in app.button if each.label.startswith(label))


def test_the_button_starts_a_check_of_the_chosen_device(
    open_page: Open, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        device_checks, "spawn_detached", lambda module, home, log, *words: started.append(words)
    )
    app = open_page()
    button(app, "Check cpu").click().run()
    assert started == [("check", "--device", "cpu")]
    assert not any(each.label.startswith("Check cpu") for each in app.button)
    assert not app.exception


def test_a_check_at_work_is_shown_on_a_page_that_is_opened_later(
    open_page: Open, home: Path
) -> None:
    with device_checks.at_work("cpu") as report:
        report(3, 29, "distil: pkd")
        app = open_page()
        (bar,) = app.get("progress")
        assert "distil: pkd" in bar.text.replace("\\", "")
        assert "3 of 29" in bar.text
        assert not any(each.label.startswith("Check cpu") for each in app.button)


def test_a_check_that_died_says_where_to_look_and_can_be_started_again(
    open_page: Open, home: Path
) -> None:
    device_checks.report(home, CheckProgress("cpu", 3, 29, "mask"))
    app = open_page()
    assert "ended without a result" in words(app)
    assert device_checks.LOG in words(app).replace("\\", "")
    assert button(app, "Check cpu")


def test_the_last_result_is_a_table_with_what_is_wrong_first(open_page: Open, home: Path) -> None:
    device_checks.save(summary("cpu", "test processor", ROWS))
    app = open_page()
    button(app, "Results on cpu: 1 ok, 1 failed, 1 not run").click().run()
    assert not app.exception
    table = app.dataframe[-1].value
    assert list(table["step"]) == ["ablation", "mask", "attributions: tokens"]
    why = dict(zip(table["step"], table["why, or the largest difference"], strict=True))
    assert why["mask"] == "0.01 heads"
    assert why["attributions: tokens"] == "captum is not installed"
