"""Class weights against scikit-learn's, and by hand for several labels."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from sparsekd.catalog.parameters import TrainParams
from sparsekd.errors import Incompatible
from sparsekd.knowledge.losses import task_loss
from sparsekd.studies import recipes
from sparsekd.tasks import class_weights
from sparsekd.tasks.labels import UNLABELLED


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40))
def test_they_are_scikit_learns_and_1_for_a_class_that_does_not_occur(labels):
    given_labels = np.array([*labels, UNLABELLED])
    occurs = np.unique(labels)
    found = class_weights.balanced(given_labels, 5)
    expected = compute_class_weight("balanced", classes=occurs, y=np.array(labels))
    np.testing.assert_allclose(found[occurs], expected, rtol=1e-6)
    assert (np.delete(found, occurs) == 1).all()


def test_of_several_labels_each_is_as_heavy_where_it_applies_as_where_it_does_not():
    labels = np.array([[1, 0, 1], [0, 0, 1], [0, 0, 1], [np.nan] * 3], dtype=np.float32)
    found = class_weights.balanced(labels, 3)
    assert found.tolist() == [2, 1, 1]  # applies to 1 of 3; to none; to all
    logits = torch.tensor([[0.4, -1.0, 2.0]])
    expected = F.binary_cross_entropy_with_logits(
        logits, torch.tensor(labels[:1]), reduction="none", pos_weight=torch.tensor(found)
    )
    loss = task_loss(logits, torch.tensor(labels[:1]), torch.tensor(found))
    torch.testing.assert_close(loss, expected.mean(-1))


def test_a_weighted_loss_is_torchs():
    logits = torch.tensor([[0.2, 1.0, -1.0], [3.0, 0.0, 0.5]])
    labels, weights = torch.tensor([2, 0]), torch.tensor([0.25, 1.0, 4.0])
    expected = F.cross_entropy(logits, labels, weight=weights, reduction="none")
    torch.testing.assert_close(task_loss(logits, labels, weights), expected)


def test_numbers_have_no_classes_to_weigh(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    train = TrainParams(class_weights="balanced")
    with pytest.raises(Incompatible, match="demo/similarity are numbers"):
        recipes.finetune("demo/similarity", "demo:", train)
    recipes.finetune("demo/sentiment", "demo:", train)


def test_the_ids_of_runs_without_class_weights_are_those_of_before():
    assert "class_weights" not in TrainParams().values()
    assert TrainParams(class_weights="balanced").values()["class_weights"] == "balanced"
