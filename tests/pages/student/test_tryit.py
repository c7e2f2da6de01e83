"""Try it: real models answer a sentence; the temperature needs none of them; every bad text."""

from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import rmtree

import numpy as np
import pytest
from scipy.special import softmax
from streamlit.testing.v1 import AppTest

from sparsekd.inspector import client, requests
from sparsekd.inspector.protocol import PredictionResponse
from sparsekd.models import loading
from sparsekd.runs import store
from sparsekd.runs.records import Plan
from sparsekd.studies.titles import titled_models
from sparsekd.tasks import TASKS, summary
from tests.conftest import tiny_model, tiny_tokenizer
from tests.inspector.conftest import end, fork_inspectors
from tests.pages.conftest import table
from tests.sample_study import fill_plan, sample_plan

Open = Callable[..., AppTest]
TRYIT = "pages/student/tryit.py"
TEXT = "the film was not very good"
ROLES = (
    "Teacher",
    "Student with no soft labels",
    "Trial student (dense teacher)",
    "Sparse teacher",
    "Student of the sparse teacher",
    "Student of a teacher pruned at random",
)


@pytest.fixture
def models(study: Plan, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Path]]:
    """The folder of each model of a finished study, by its title: tiny ones that really answer."""
    folders = {}
    for seed, (title, run) in enumerate(titled_models(study).items()):
        model = tiny_model(vocabulary=24, hidden=16, heads=2, seed=seed)
        model.config.id2label = dict(enumerate(TASKS["demo/sentiment"].labels))
        loading.save(model, tiny_tokenizer(), run.folder / "model")
        folders[title] = run.folder / "model"
    fork_inspectors(monkeypatch)
    client.send(requests.prediction(run, ("a film",)), PredictionResponse)
    yield folders
    end()


def texts_on(page: AppTest) -> str:
    shown = [*page.markdown, *page.caption, *page.warning, *page.info, *page.error]
    return "\n".join(each.value for each in shown)


def shares(page: AppTest) -> np.ndarray:
    """The shown probabilities, a row for each model."""
    return table(page, "prediction").filter(like="p(").to_numpy()


def test_every_model_of_the_study_answers_and_the_temperature_asks_none_again(
    open_page: Open, models: dict[str, Path]
) -> None:
    page = open_page(TRYIT, text=TEXT)
    assert list(table(page, "prediction")["model"]) == list(models) == list(ROLES)
    logits = []
    for folder in models.values():
        model, tokenizer = loading.load_saved(folder)
        logits.append(model(**tokenizer(TEXT, return_tensors="pt")).logits[0].detach().numpy())
    np.testing.assert_allclose(shares(page), softmax(logits, axis=1), atol=1e-5)

    end()
    page.slider(key="tryit.temperature").set_value(4.0).run()

    np.testing.assert_allclose(shares(page), softmax(np.divide(logits, 4), axis=1), atol=1e-5)
    assert not client.is_running()


def test_a_long_text_is_cut_and_a_model_that_is_gone_is_named(
    open_page: Open, models: dict[str, Path]
) -> None:
    rmtree(models["Sparse teacher"])

    page = open_page(TRYIT, text=" ".join(["film"] * 70))

    shown = texts_on(page)
    assert "72 tokens long. Every model: only the first 64 are read" in shown
    assert "Sparse teacher" in page.caption[-1].value or "Sparse teacher" in shown
    assert "is gone" in page.error[0].value
    assert list(table(page, "prediction")["model"]) == [n for n in ROLES if n != "Sparse teacher"]


def test_without_a_text_it_says_what_to_do_and_asks_no_model(open_page: Open, study: Plan) -> None:
    page = open_page(TRYIT)
    assert "Type a sentence of your own" in texts_on(page)

    page.button[0].click().run()

    assert "The text is empty" in page.warning[0].value
    assert not client.is_running()


def test_the_mistakes_are_those_of_the_stored_answers(open_page: Open, study: Plan) -> None:
    page = open_page(TRYIT)
    box = next(each for each in page.selectbox if each.label == "Model")
    box.set_value("Student of the sparse teacher").run()

    run = store.get(titled_models(study)["Student of the sparse teacher"].id)
    logits, labels = (np.load(run.folder / f"{n}-validation.npy") for n in ("logits", "labels"))
    missed = int((logits.argmax(axis=1) != labels).sum())
    shown = table(page, "gold")
    assert f"misses **{missed}**" in texts_on(page)
    assert missed
    assert (shown["gold"] != shown["prediction"]).all()
    assert shown["confidence"].is_monotonic_decreasing


def test_a_study_without_a_finished_model_sends_to_its_progress(
    open_page: Open, home: Path
) -> None:
    fill_plan(sample_plan(), until="teacher")

    page = open_page(TRYIT)

    assert "No model of this study is finished yet" in page.info[0].value
    assert "Show the study's progress" in [button.label for button in page.button]


def test_a_held_out_text_comes_with_its_gold_label(
    open_page: Open, models: dict[str, Path]
) -> None:
    row = summary.read_splits(TASKS["demo/sentiment"])["validation"].iloc[7]

    page = open_page(TRYIT, text=row["text"])

    gold = TASKS["demo/sentiment"].labels[row["label"]]
    assert f"the gold label is {gold}" in texts_on(page)
