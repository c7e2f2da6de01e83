"""The stage of baselines: the labels that it knows, and what it leaves."""

import json

import numpy as np
import pytest

from sparsekd.__main__ import main
from sparsekd.catalog.baselines import BASELINES
from sparsekd.catalog.parameters import TrainParams
from sparsekd.data import load
from sparsekd.runs import references, tables
from sparsekd.studies import recipes
from sparsekd.tasks.labels import is_labelled
from sparsekd.tasks.supervision import KnownLabels, known_labels
from tests.workshop import done, task_folder

NAMES = ("logits", "labels")


@pytest.fixture
def card(tmp_path, home):
    return references.task(str(task_folder(tmp_path / "task")))


def baseline(card, seed=0, **train):
    params = BASELINES["tfidf"].params()
    return recipes.baseline(card.name, "tfidf", TrainParams(**train), params, seed)


def test_it_leaves_logits_and_metrics_like_a_student(card):
    run = done(baseline(card))
    logits = np.load(run.folder / "logits-validation.npy")
    labels = np.load(run.folder / "labels-validation.npy")
    assert logits.shape == (len(labels), 2)
    accuracy = float((logits.argmax(1) == labels).mean())
    assert run.outcome.metrics["validation"]["accuracy"] == pytest.approx(accuracy)
    assert accuracy > 0.6
    assert run.outcome.facts["parameters"] > 20
    assert tables.title(run.recipe) == "TF-IDF and logistic regression, seed 0"


def test_it_knows_the_labels_that_a_student_of_the_seed_knows(card):
    one, other = (done(baseline(card, seed, labelled=40)) for seed in (3, 4))
    frames = load(card)
    gold = KnownLabels(*(frames[name]["label"].to_numpy() for name in ("train", "selection")))
    expected = known_labels(card, gold, 40, 0, 3)
    kept = np.load(one.folder / "labels-selection.npy")
    assert np.array_equal(kept, expected.selection)
    assert one.outcome.facts["gold_labels"] == is_labelled(expected.train).sum() == 32
    logits = [np.load(run.folder / "logits-validation.npy") for run in (one, other)]
    assert not np.array_equal(*logits)


def test_only_what_decides_the_result_is_in_its_recipe(card):
    assert baseline(card).run_id == baseline(card, epochs=7, learning_rate=0.5).run_id
    assert baseline(card).run_id != baseline(card, label_noise=0.2).run_id


def test_baselines_alone_are_no_comparison(card, capsys):
    assert main(["compare", "--task", "demo/sentiment", "--methods", "tfidf"]) == 2
    assert "Only baselines" in capsys.readouterr().err
    assert json.dumps(baseline(card).params)


def test_several_labels_have_their_metrics(home):
    run = done(baseline(references.card("demo/aspects"), train_examples=200))
    logits, labels = (np.load(run.folder / f"{name}-validation.npy") for name in NAMES)
    assert logits.shape == labels.shape == (1000, 5)
    both = ((logits > 0) & (labels > 0)).sum()
    micro = 2 * both / ((logits > 0).sum() + labels.sum())
    assert run.outcome.metrics["validation"]["micro_f1"] == pytest.approx(micro)
    assert micro > 0.3
