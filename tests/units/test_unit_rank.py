"""One unit's place in the order of removal, against the masks that remove it."""

import numpy as np
import pytest

from sparsekd.units import masking
from sparsekd.units.scores import Scores
from sparsekd.units.unit_rank import rank_unit

SHAPES = ((2, 3), (2, 3), (2, 8), (2, 8))


@pytest.fixture
def scores() -> Scores:
    drawn = np.random.default_rng(4)
    return Scores(*(drawn.gamma(1.5, size=shape) for shape in SHAPES))


@pytest.mark.parametrize("unit", ["head", "neuron"])
def test_a_unit_is_removed_as_soon_as_the_mask_reaches_its_place(scores, unit):
    pool = getattr(masking.Mask.full(scores.shape), f"{unit}s").size
    worth = masking.knowledgeableness(scores, 0.3)
    for layer, index in ((0, 1), (1, 2)):
        found = rank_unit(scores, 0.3, "layer", unit, layer, index)
        assert found.pool == pool
        assert found.rank == pool + 1 - found.place
        for count, removed in ((found.place - 1, False), (found.place, True)):
            if not 0 < count < pool:
                continue
            mask = masking.decide(*worth, count / pool, round_to=1)
            assert getattr(mask, f"{unit}s")[layer, index] == (not removed)


def test_equal_scores_are_removed_by_layer_and_index():
    flat = Scores(*(np.ones(shape) for shape in SHAPES))

    places = [
        rank_unit(flat, 0.5, "none", "head", layer, head).place
        for layer in range(2)
        for head in range(3)
    ]

    assert places == [1, 2, 3, 4, 5, 6]


def test_raw_and_normalised_values_are_those_of_the_scores(scores):
    found = rank_unit(scores, 1.0, "layer", "neuron", 1, 5)

    raw = float(scores.neuron_expressiveness[1, 5])
    norm = float(np.linalg.norm(scores.neuron_expressiveness[1]))
    assert found.expressiveness == raw
    assert found.normalised_expressiveness == pytest.approx(raw / norm, rel=1e-6)
    assert found.knowledgeableness == found.normalised_expressiveness
    assert found.friendliness == float(scores.neuron_friendliness[1, 5])
