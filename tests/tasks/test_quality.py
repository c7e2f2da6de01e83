"""Confusions and residuals by hand."""

import numpy as np

from sparsekd.tasks import quality


def test_confusions_by_hand() -> None:
    logits = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])

    table = quality.confusion_table(logits, np.array([0, 0, 1]), ("no", "yes"))

    cells = table.set_index(["true", "predicted"])["examples"]
    assert cells.to_dict() == {
        ("no", "no"): 1,
        ("no", "yes"): 1,
        ("yes", "no"): 0,
        ("yes", "yes"): 1,
    }
    assert list(table["share"]) == [0.5, 0.5, 0, 1]


def test_the_largest_confusions_come_first_and_hits_are_none() -> None:
    labels, answers = np.array([0, 0, 0, 1, 1, 2]), np.array([1, 1, 0, 2, 1, 2])

    found = quality.confusions(quality.confusion_table(np.eye(3)[answers], labels, ("a", "b", "c")))

    assert found[["true", "predicted", "examples"]].values.tolist() == [
        ["a", "b", 2],
        ["b", "c", 1],
    ]


def test_residuals_are_counted_and_their_median_is_absolute() -> None:
    bars, median = quality.residuals(np.array([1.0, 2.0, 5.0]), np.array([2.0, 2.0, 2.0]))

    assert median == 1.0  # of 1, 0 and 3
    assert bars["examples"].sum() == 3
    assert (bars["from"].iloc[0], bars["to"].iloc[-1]) == (-1.0, 3.0)
