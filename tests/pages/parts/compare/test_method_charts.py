"""Numbers and findings of methods, drawn on the Distil page."""

from collections.abc import Callable

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from sparsekd.runs import store, tables
from sparsekd.runs.records import Event, Outcome, Progress, Run, State
from tests.sample_study import fill_plan, sample_plan

Open = Callable[..., AppTest]
DISTIL = "pages/student/distil.py"


def student(episode_steps: int, names: list[str]) -> Run:
    """A finished student whose method has noted numbers of these names."""
    plan = fill_plan(sample_plan())
    run_id = next(step.recipe.run_id for step in plan.steps if step.role == "student")
    run = store.get(run_id)
    events = [Event(step, name, step / 10) for step in (0, 5, 9) for name in names]
    store.report(run_id, Progress("epoch 1 of 1", 10, 10), events)
    facts = run.outcome.facts | {"episode_steps": episode_steps}
    with store.hold_lock(run_id):
        store.finish(run_id, State.DONE, Outcome(run.outcome.metrics, facts), 9.5)
    return store.get(run_id)


def findings(run: Run, rows: list[dict[str, object]]) -> None:
    """Write findings about examples, before and after the training."""
    told = [{"when": when} | row for when in ("before", "after") for row in rows]
    pd.DataFrame(told).to_parquet(run.folder / "findings.parquet")


def test_every_kind_of_number_has_a_chart_also_one_without_a_text_of_its_own(
    open_page: Open,
) -> None:
    names = [f"{kind}/{name}" for kind in ("weight", "entropy_bits") for name in ("one", "other")]
    app = open_page(DISTIL, run=student(0, names).id)

    words = "".join(each.value for each in app.markdown)
    assert "**Weight of each kind of knowledge**" in words
    assert "**Entropy bits**" in words


@pytest.mark.parametrize("episode_steps", [0, 8])
def test_training_episodes_are_marked(open_page: Open, episode_steps: int) -> None:
    app = open_page(DISTIL, run=student(episode_steps, ["weight/one"]).id)

    marked = any("training episodes" in each.value for each in app.caption)
    assert marked == bool(episode_steps)


def test_rows_of_examples_without_a_chart_are_a_table(open_page: Open) -> None:
    run = student(0, [])
    findings(run, [{"row": 3, "difficulty": 0.5, "text": "a film"}])
    app = open_page(DISTIL, run=run.id)
    assert not app.exception
    shown = [each.value for each in app.dataframe if "difficulty" in each.value]
    assert shown[0]["when"].tolist() == ["before", "after"]


def test_agreement_by_layer_is_drawn_and_tabled(open_page: Open) -> None:
    run = student(0, ["stage/layer 1"])
    row = {"row": 3, "layer": 1, "attention_kl": 0.5, "cls_cosine": 0.1, "text": "a film"}
    findings(run, [row, row | {"layer": 2}])
    app = open_page(DISTIL, run=run.id)
    assert not app.exception
    assert any("Agreement with the teacher" in each.value for each in app.markdown)
    assert set(tables.agreement(tables.findings(run))["measure"]) == {"attention_kl", "cls_cosine"}


def test_text_of_instances_is_shown_as_text(open_page: Open) -> None:
    run = student(0, ["share/teacher_1", "share/teacher_2"])
    text = "<b>bold</b> [link](http://x) $x$"
    rows: list[dict[str, object]] = [
        {
            "row": 3,
            "teacher": teacher,
            "probability": 0.9,
            "chosen": teacher == 1,
            "label": "yes",
            "teacher_loss": 0.1,
            "student_loss": 0.2,
            "text": text,
        }
        for teacher in (1, 2)
    ]
    findings(run, rows)
    app = open_page(DISTIL, run=run.id)
    assert not app.exception
    shown = [each.value for each in app.dataframe if "taught_by" in each.value]
    assert shown[0]["text"].tolist() == [text]
    assert shown[0]["taught_by"].tolist() == ["1"]
    assert not any("bold" in each.value for each in app.markdown)


def test_a_method_that_logs_nothing_has_no_section(open_page: Open) -> None:
    run = student(0, [])
    app = open_page(DISTIL, run=run.id)
    assert not app.exception
    assert not any("Inside the method" in each.value for each in app.markdown)
