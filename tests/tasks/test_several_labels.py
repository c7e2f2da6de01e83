"""Agreement, calibration, classes and splits of several labels: scikit-learn, and by hand."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import cohen_kappa_score, precision_recall_fscore_support

from sparsekd.errors import BadInput, Incompatible
from sparsekd.tasks import agreement, calibration, classes, jackknife, metrics, summary
from sparsekd.tasks.columns import label_column_of
from sparsekd.tasks.labels import is_labelled
from sparsekd.tasks.predictions import label_text, predicted
from sparsekd.tasks.splits import carve_selection
from sparsekd.tasks.supervision import KnownLabels, known_labels
from sparsekd.units.divergence import distance
from tests.tiny_data import several_card

CARD = several_card()
RNG = np.random.default_rng(0)
TEACHER, STUDENT = RNG.normal(size=(2, 60, 3)) * 2
GOLD = (RNG.random((60, 3)) < [0.3, 0.6, 0.1]).astype(np.float32)


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


def test_each_label_has_the_precision_recall_and_f1_of_scikit_learn():
    table = classes.by_class(CARD, STUDENT, GOLD)
    expected = precision_recall_fscore_support(GOLD, STUDENT > 0, zero_division=np.nan)
    np.testing.assert_allclose(table[["precision", "recall", "f1", "examples"]].T, expected)
    sure = sigmoid(STUDENT[:, 1])
    places = np.minimum((sure * 10).astype(int), 9)
    gaps = [abs((sure - GOLD[:, 1])[places == place].sum()) for place in range(10)]
    assert table["calibration_error"][1] == pytest.approx(sum(gaps) / 60)


def test_confidence_is_of_each_decision_and_at_least_a_half():
    sure, right = calibration.confidences(CARD, STUDENT, GOLD)
    assert sure.shape == right.shape == (180,)
    assert sure.min() >= 0.5
    assert sure[4] == pytest.approx(max(sigmoid(STUDENT[1, 1]), 1 - sigmoid(STUDENT[1, 1])))
    assert right.mean() == pytest.approx(((STUDENT > 0) == GOLD).mean())


def test_the_fitted_temperature_undoes_a_scaling():
    labels = (RNG.random((4000, 3)) < sigmoid(np.resize(STUDENT, (4000, 3)))).astype(float)
    found = calibration.fitted_temperature(CARD, 3 * np.resize(STUDENT, (4000, 3)), labels)
    assert found == pytest.approx(3, rel=0.1)


def test_agreement_is_a_mean_over_labels_and_chance_that_of_equal_errors():
    found = agreement.agreement(CARD, TEACHER, STUDENT, GOLD)
    p, q = sigmoid(TEACHER), sigmoid(STUDENT)
    by_hand = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    assert found["agreement"] == pytest.approx(((TEACHER > 0) == (STUDENT > 0)).mean())
    assert found["divergence"] == pytest.approx(by_hand.mean())
    # With no gold label applying, independent errors agree as Cohen's expected agreement says.
    none = np.zeros_like(GOLD)
    flags = TEACHER > 0, STUDENT > 0
    kappas = [cohen_kappa_score(one, two) for one, two in zip(*(f.T for f in flags), strict=True)]
    same = (flags[0] == flags[1]).mean(axis=0)
    expected = [(s - k) / (1 - k) for s, k in zip(same, kappas, strict=True)]
    chance = agreement.agreement(CARD, TEACHER, STUDENT, none)["independent"]
    assert chance == pytest.approx(np.mean(expected))


def test_agreement_by_label_is_on_the_examples_that_have_it():
    table = agreement.by_class(CARD, TEACHER, STUDENT, GOLD)
    rows = GOLD[:, 2] > 0
    assert table["label"].tolist() == ["a", "b", "c"]
    assert table["examples"][2] == rows.sum()
    equal = (TEACHER[rows, 2] > 0) == (STUDENT[rows, 2] > 0)
    assert table["agreement"][2] == pytest.approx(equal.mean())
    assert np.isnan(agreement.by_class(CARD, TEACHER, STUDENT, 0 * GOLD)["divergence"]).all()


def test_the_distance_of_models_is_the_mean_kl_at_two():
    p, q = sigmoid(TEACHER / 2), sigmoid(STUDENT / 2)
    by_hand = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    assert distance(TEACHER, STUDENT, multilabel=True) == pytest.approx(by_hand.mean())
    assert np.isfinite(distance(1e4 * TEACHER, -1e4 * TEACHER, multilabel=True))


def test_labels_are_told_by_name():
    assert label_text(CARD, [1, 0, 1]) == "a, c"
    assert label_text(CARD, [0, 0, 0]) == "(none)"
    assert label_text(CARD, [np.nan] * 3) == "–"
    assert predicted(CARD, np.array([-1.0, 0.2, 3.0])) == "b, c"


def frame(rows: int = 900, unlabelled: int = 0) -> pd.DataFrame:
    flags = (np.random.default_rng(1).random((rows, 3)) < [0.5, 0.3, 0.02]).astype(np.float32)
    flags[:unlabelled] = np.nan
    texts = [f"text {row}" for row in range(rows)]
    return pd.DataFrame({"text": texts, "label": label_column_of(flags)})


def test_the_selection_split_is_drawn_from_the_labelled_rows_without_strata():
    train, selection = carve_selection(frame(unlabelled=300), CARD)
    assert (len(train), len(selection)) == (700, 200)
    assert is_labelled(np.stack(selection["label"])).all()
    assert sorted([*train["text"], *selection["text"]]) == sorted(frame()["text"])


def test_a_preview_counts_labels_rows_without_any_and_unlabelled_ones():
    given = frame(unlabelled=10)
    table = summary.label_table(replace(CARD, unlabelled=10), {"train": given}).set_index("label")
    flags = np.stack(given["label"])[10:]
    assert table["train"].tolist() == [
        *flags.sum(axis=0),
        (flags.sum(axis=1) == 0).sum(),
        10,
    ]
    assert summary.sample_rows(CARD, given)["label"].tolist() == ["–"] * 5


def test_kept_labels_have_every_label_and_too_few_are_refused():
    gold = KnownLabels(np.stack(frame()["label"]), np.stack(frame(400)["label"]))
    known = known_labels(CARD, gold, 500, 0, seed=0)
    assert is_labelled(known.train).sum() == 400
    assert is_labelled(known.selection).sum() == 100
    kept = known.train[is_labelled(known.train)]
    assert (kept.sum(axis=0) > 0).all()
    with pytest.raises(BadInput, match="leaves a label without an example in the training"):
        known_labels(CARD, gold, 10, 0, seed=0)


def test_label_noise_is_for_classes_alone():
    gold = KnownLabels(GOLD, GOLD)
    with pytest.raises(Incompatible, match="has several labels, not one class"):
        known_labels(CARD, gold, 0, 0.1, seed=0)


def test_half_is_no_prediction():
    assert metrics.predictions(CARD, np.array([[0.0, 1e-9, -1e-9]])).tolist() == [[0, 1, 0]]


def test_likeness_without_a_group_is_that_of_the_other_texts() -> None:
    random = np.random.default_rng(0)
    teacher, student = random.normal(size=(2, 40, CARD.classes))
    gold = random.integers(0, 2, (40, CARD.classes)).astype(float)

    found = agreement.without_groups(CARD, teacher, student, gold)

    kept = jackknife.groups(40) != 3
    own = agreement.agreement(CARD, teacher[kept], student[kept], gold[kept])
    assert found["likeness"][3] == pytest.approx(own["agreement"] - own["independent"])
    recalls = classes.by_class(CARD, student[kept], gold[kept])["recall"]
    assert classes.without_groups(CARD, student, gold)["recall"][3] == pytest.approx(recalls)
