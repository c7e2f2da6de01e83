"""Compare: examples, parameters that differ, metric, command."""

from collections.abc import Callable

import numpy as np
from streamlit.testing.v1 import AppTest

from sparsekd.runs import references, store
from sparsekd.runs.records import Plan
from sparsekd.studies import command
from sparsekd.studies.model_answers import ModelAnswers
from sparsekd.tasks import demo
from tests.pages.conftest import table
from tests.sample_study import fill_plan, sample_plan

Open = Callable[..., AppTest]
COMPARE = "pages/student/compare.py"


def test_correct_answers_are_counted_example_by_example(open_page: Open, study: Plan) -> None:
    app = open_page(COMPARE)

    runs = {step.role: store.folder(step.recipe.run_id) for step in study.steps}
    gold = np.load(runs["student"] / "labels-validation.npy")
    one, other = (
        np.load(runs[role] / "logits-validation.npy").argmax(axis=1) == gold
        for role in ("student", "trial_student")
    )
    shown = {metric.label: int(metric.value) for metric in app.metric}
    assert shown == {
        "Only the first right": int((one & ~other).sum()),
        "Only the second right": int((~one & other).sum()),
        "Both right": int((one & other).sum()),
        "Both wrong": int((~one & ~other).sum()),
    }
    assert sorted(table(app, "row")["row"]) == list(np.flatnonzero(one & ~other))


def test_the_metric_is_in_the_address(open_page: Open, study: Plan) -> None:
    app = open_page(COMPARE, metric="loss")

    assert app.button_group(key=f"compare.metric.{study.id}").value == "loss"
    assert app.info[0].value.startswith("Loss")
    assert any(each.value.startswith("Exploratory: the planned metric is") for each in app.caption)
    usual = open_page(COMPARE)
    assert not any(each.value.startswith("Exploratory") for each in usual.caption)


def test_the_command_that_repeats_the_study_is_shown(open_page: Open, study: Plan) -> None:
    app = open_page(COMPARE)

    assert app.code[0].value == command.command(store.plan(study.id))
    assert app.code[0].value.startswith("python -m sparsekd study --task demo/sentiment")


def test_an_older_study_is_chosen_in_the_sidebar(open_page: Open, study: Plan) -> None:
    other = fill_plan(sample_plan(lam=0.9))
    app = open_page(COMPARE)
    assert app.selectbox(key="url.study").value == other.id

    app.selectbox(key="url.study").set_value(study.id).run()

    assert app.query_params["study"] == study.id
    assert app.code[0].value == command.command(store.plan(study.id))


def test_the_examples_are_texts_those_that_differ_most_first(open_page: Open, study: Plan) -> None:
    shown = table(open_page(COMPARE), "row")

    texts = demo.generate("demo/sentiment")["validation"]["text"]
    assert list(shown["text"]) == list(texts[shown["row"]])
    assert shown["divergence"].is_monotonic_decreasing


def test_texts_that_are_not_those_of_the_answers_are_refused_and_rows_remain(
    open_page: Open, study: Plan
) -> None:
    for step in study.steps:
        file = store.folder(step.recipe.run_id) / "labels-validation.npy"
        if file.exists():
            np.save(file, 1 - np.load(file))

    app = open_page(COMPARE)

    assert "not those that these models answered" in app.error[0].value
    assert "text" not in table(app, "row")


def test_agreement_softness_choices_calibration_and_classes_are_views_in_the_address(
    open_page: Open, study: Plan
) -> None:
    app = open_page(COMPARE)
    assert "learned" in table(app, "independent")

    app = open_page(COMPARE, v="1", behind="softness")
    assert sorted(table(app, "entropy")["entropy"]) == [0.154, 0.185, 0.24]

    app = open_page(COMPARE, v="1", behind="choices")
    assert any("has selected among several teachers" in words.value for words in app.caption)

    app = open_page(COMPARE, v="1", behind="calibration")
    assert set(table(app, "error_scaled")["seeds"]) == {1}

    app = open_page(COMPARE, v="1", behind="classes")
    assert set(table(app, "before")["label"]) == {"negative", "positive"}
    assert any("loses most" in words.value for words in app.markdown)


def test_the_numbers_of_the_page_are_those_of_the_command(open_page: Open, study: Plan) -> None:
    facts = ModelAnswers(study, references.card(study.task), "validation").facts()

    shown = table(open_page(COMPARE, v="1", behind="classes"), "before")

    first = facts["class_changes"][0]["classes"]
    assert list(shown["difference"]) == [row["difference"] for row in first]
