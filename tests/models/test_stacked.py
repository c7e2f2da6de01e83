"""Several models as one: independent dropout, and what cannot be stacked."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from sparsekd.errors import Incompatible
from sparsekd.models import stacked
from tests.conftest import tiny_model
from tests.tiny_data import tiny_data


def test_dropout_is_drawn_for_each_student_on_its_own():
    model = tiny_model(attn_implementation="sdpa", hidden_dropout_prob=0.5)
    stack = stacked.Stack([copy.deepcopy(model), copy.deepcopy(model)])
    rows = np.array([0, 1, 2, 0, 1, 2])
    first, second = stack.logits(tiny_data(28).batch(rows))
    assert not torch.allclose(first, second)


def test_what_cannot_be_stacked_is_refused_with_the_reason():
    with pytest.raises(Incompatible, match="differ in their shape"):
        stacked.check([tiny_model(seed=0), tiny_model(seed=1, layers=3)])
    tied = tiny_model(seed=0)
    layers = tied.base_model.encoder.layer
    layers[1].intermediate.dense.weight = layers[0].intermediate.dense.weight
    with pytest.raises(Incompatible, match="share weights"):
        stacked.check([tied])
    strange = tiny_model(seed=0)
    strange.classifier = nn.Bilinear(2, 2, 2)
    with pytest.raises(Incompatible, match=r"'classifier' \(Bilinear\)"):
        stacked.check([strange])
