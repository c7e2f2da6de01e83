"""The majority baseline against scikit-learn's dummies; a model beside it by hand."""

import math

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import accuracy_score, f1_score, log_loss, matthews_corrcoef

from sparsekd.tasks import majority
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.labels import UNLABELLED


def card(kind: str, metrics: tuple[str, ...]) -> TaskCard:
    labels = {"two": ("no", "yes"), "three": ("a", "b", "c"), "labels": ("x", "y", "z")}
    return TaskCard(
        "demo/one", "One", "by hand", "demo", "one", ("text",), "label",
        labels.get(kind, ()), metrics, multilabel=kind == "labels",
    )  # fmt: skip


@pytest.mark.parametrize(("kind", "shares"), [("two", [0.3, 0.7]), ("three", [0.2, 0.3, 0.5])])
def test_scores_are_those_of_scikit_learns_dummy(kind: str, shares: list[float]):
    drawn = np.random.default_rng(0)
    train, gold = (drawn.choice(len(shares), size, p=shares) for size in (301, 97))
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((301, 1)), train)
    answers = dummy.predict(np.zeros((97, 1)))
    task = card(kind, ("accuracy", "f1", "macro_f1", "balanced_accuracy", "mcc"))

    found = majority.scores(task, majority.label_means(task, train), gold)

    average = "binary" if kind == "two" else "macro"
    assert found == pytest.approx(
        {
            "accuracy": accuracy_score(gold, answers),
            "f1": f1_score(gold, answers, average=average, zero_division=0.0),
            "macro_f1": f1_score(gold, answers, average="macro", zero_division=0.0),
            "balanced_accuracy": 1 / len(shares),
            "mcc": matthews_corrcoef(gold, answers),
            "loss": log_loss(gold, dummy.predict_proba(np.zeros((97, 1)))),
        }
    )
    assert found["mcc"] == 0
    assert majority.answer_text(task, majority.label_means(task, train)) == task.labels[-1]


def test_numbers_have_their_mean_and_no_correlation():
    train, gold = np.array([1.0, 2.0, 6.0]), np.array([0.0, 4.0])
    task = card("number", ("pearson", "spearman"))
    dummy = DummyRegressor().fit(np.zeros((3, 1)), train)

    found = majority.scores(task, majority.label_means(task, train), gold)

    assert found == {"loss": pytest.approx(np.mean((dummy.predict(np.zeros((2, 1))) - gold) ** 2))}


def test_of_several_labels_those_of_more_than_half_are_answered():
    task = card("labels", ("micro_f1", "subset_accuracy"))
    train = np.array([[1, 0, 1], [1, 0, 0], [1, 1, 0]], dtype=np.float32)
    gold = np.array([[1, 0, 0], [1, 1, 0]], dtype=np.float32)

    found = majority.scores(task, majority.label_means(task, train), gold)

    assert found["subset_accuracy"] == 0.5  # x alone
    assert found["micro_f1"] == pytest.approx(2 * 2 / (2 * 2 + 1))
    assert majority.answer_text(task, majority.label_means(task, train)) == "x"


def test_unlabelled_examples_are_not_counted_and_none_gives_nothing():
    task = card("two", ("accuracy",))
    assert majority.label_means(task, np.array([1, UNLABELLED, 0, 1, UNLABELLED, 1])) == [
        0.25,
        0.75,
    ]
    assert majority.label_means(task, np.array([UNLABELLED, UNLABELLED])) == []
    assert majority.scores(task, [], np.array([0, 1])) == {}


def answers(given: list[int], classes: int = 2) -> np.ndarray:
    return np.eye(classes)[given]


def test_the_interval_is_that_of_paired_differences_for_accuracy():
    drawn = np.random.default_rng(1)
    gold = drawn.choice(2, 200, p=[0.4, 0.6])
    given = np.where(drawn.random(200) < 0.8, gold, 1 - gold)
    task = card("two", ("accuracy",))

    found = majority.standing(task, [0.4, 0.6], answers(list(given)), gold)

    gaps = (given == gold).astype(float) - (gold == 1)
    error = gaps.std(ddof=1) / math.sqrt(200)  # of a mean the jackknife's error is exact
    assert found.value - found.majority == pytest.approx(gaps.mean())
    assert (found.low, found.high) == pytest.approx(
        (gaps.mean() - 1.96 * error, gaps.mean() + 1.96 * error), abs=1e-5
    )
    assert found.above
    words = found.in_words(task, [0.4, 0.6], "validation")
    assert f"{100 * gaps.mean():.1f} points above the majority class “yes”" in words
    assert found.warning("classes") == ""


def test_the_interval_of_f1_is_near_that_of_the_bootstrap():
    drawn = np.random.default_rng(2)
    gold = drawn.choice(2, 400, p=[0.4, 0.6])
    given = np.where(drawn.random(400) < 0.8, gold, 1 - gold)
    found = majority.standing(card("two", ("f1",)), [0.4, 0.6], answers(list(given)), gold)

    gaps = []
    for _ in range(300):
        rows = drawn.integers(0, 400, 400)
        hits, sure = ((gold == 1) & (given == 1))[rows].sum(), (gold == 1)[rows].sum()
        own = 2 * hits / (sure + (given == 1)[rows].sum())
        gaps.append(own - 2 * sure / (sure + 400))
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(np.std(gaps), rel=0.15)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([1] * 10, "It answers one class to every text: yes."),
        ([0] * 10, "It answers one class to every text: no."),
        # as often right as the majority class, on other examples
        ([1, 1, 1, 1, 1, 0, 1, 1, 1, 0], "It is not above the majority class: Accuracy 0.600"),
        ([1, 1, 1, 1, 1, 1, 0, 1, 1, 1], "It is not above the majority class: Accuracy 0.700"),
    ],
)
def test_a_model_that_learned_nothing_is_told(given: list[int], words: str):
    gold = np.array([1] * 6 + [0] * 4)
    found = majority.standing(card("two", ("accuracy",)), [0.4, 0.6], answers(given), gold)
    assert found.warning("classes").startswith(words)
    if found.value == found.majority:
        assert "equal to the majority class" in found.in_words(
            card("two", ("accuracy",)), [0.4, 0.6], "validation"
        )


def test_one_number_for_every_text_is_told_and_correlations_have_no_baseline():
    task, gold = card("number", ("pearson",)), np.array([0.0, 1.0, 5.0])
    flat = majority.standing(task, [2.0], np.array([[2.0], [2.001], [2.0]]), gold)
    assert flat.warning("number") == "It answers one number to every text: 2.00."
    useful = majority.standing(task, [2.0], np.array([[0.2], [1.0], [4.0]]), gold)
    assert math.isnan(useful.majority)
    assert useful.warning("number") == ""


def test_the_same_labels_for_every_text_are_told():
    task = card("labels", ("micro_f1",))
    gold = np.array([[1, 0, 0], [0, 1, 0]], dtype=np.float32)
    found = majority.standing(task, [0.6, 0.5, 0.1], np.array([[3.0, 1, -1], [2, 1, -2]]), gold)
    assert found.warning("labels") == "It answers the same labels to every text: x, y."
