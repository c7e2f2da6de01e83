"""Masks compared by counting, against counts by hand and Python's own sets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as arrays

from sparsekd.errors import BadInput, Incompatible
from sparsekd.units import overlap
from sparsekd.units.masking import Mask
from tests.units.test_masking import random_mask

FLAGS = arrays.arrays(np.bool_, (3, 5))


def mask(heads: np.ndarray, neurons: np.ndarray | None = None) -> Mask:
    return Mask(heads, np.ones((len(heads), 8), dtype=bool) if neurons is None else neurons)


def kept(flags: np.ndarray) -> set[tuple[int, ...]]:
    return set(map(tuple, np.argwhere(flags).tolist()))


@given(FLAGS, FLAGS)
@settings(deadline=None, max_examples=60)
def test_counts_and_indices_are_those_of_sets(one, two):
    found = overlap.total(overlap.compare(mask(one), mask(two)), "heads")
    first, second = kept(one), kept(two)
    assert found["both"] == len(first & second)
    assert found["only_first"] == len(first - second)
    assert found["only_second"] == len(second - first)
    assert found["neither"] == 15 - len(first | second)
    union = first | second
    assert found["jaccard"] == (len(first & second) / len(union) if union else 1)
    gone, also = kept(~one), kept(~two)
    assert found["jaccard_removed"] == (len(gone & also) / len(gone | also) if gone | also else 1)


@given(FLAGS, FLAGS)
@settings(deadline=None, max_examples=30)
def test_layers_add_up_and_turning_round_swaps_the_sides(one, two):
    frame = overlap.compare(mask(one), mask(two))
    heads = frame[frame["units"] == "heads"]
    layers, total = heads[heads["layer"] >= 0], overlap.total(frame, "heads")
    assert list(layers["layer"]) == [0, 1, 2]
    for name in overlap.KEPT_BY:
        assert layers[name].sum() == total[name]
    other = overlap.total(overlap.compare(mask(two), mask(one)), "heads")
    assert (other["only_first"], other["jaccard"]) == (total["only_second"], total["jaccard"])


def test_a_mask_agrees_with_itself():
    one = random_mask((2, 4, 16), 0.5, 0)
    for units in overlap.UNITS:
        found = overlap.total(overlap.compare(one, one), units)
        assert found["jaccard"] == found["jaccard_removed"] == 1
        assert found["only_first"] == found["only_second"] == 0


def test_chance_is_what_masks_drawn_apart_have():
    masks = [random_mask((12, 12, 64), 0.4, seed) for seed in range(40)]
    pairs = zip(masks[::2], masks[1::2], strict=True)
    totals = [overlap.total(overlap.compare(one, two), "heads") for one, two in pairs]
    measured = np.mean([row["jaccard"] for row in totals])
    assert measured == pytest.approx(totals[0]["jaccard_by_chance"], abs=0.02)


def test_stability_is_the_share_of_masks_that_keep_a_unit():
    one = np.array([[True, True, False]])
    two = np.array([[True, False, False]])
    heads, neurons = overlap.stability([mask(one), mask(two), mask(two)])
    np.testing.assert_allclose(heads, [[1, 1 / 3, 0]])
    assert (neurons == 1).all()
    found = overlap.agreement([mask(one), mask(two), mask(two)]).set_index("units").loc["heads"]
    assert (found["always"], found["never"], found["disputed"]) == (1, 1, 1)
    assert found["jaccard"] == pytest.approx((0.5 + 0.5 + 1) / 3)
    assert found["lowest"] == 0.5


def test_masks_of_other_shapes_and_single_masks_are_refused():
    one, other = random_mask((2, 4, 16), 0.5, 0), random_mask((2, 4, 24), 0.5, 0)
    with pytest.raises(Incompatible, match=r"\(2, 16\)"):
        overlap.compare(one, other)
    with pytest.raises(Incompatible):
        overlap.stability([one, one, other])
    with pytest.raises(BadInput, match="1 mask"):
        overlap.agreement([one])
