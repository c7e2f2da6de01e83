"""Sizes as people read them."""

from dataclasses import replace

import pytest

from sparsekd.units import shape_words
from sparsekd.units.shape import ModelShape

SHAPE = ModelShape("bert", 32, 8, (4, 4), (64, 64), 200, 512, 2, 32, 2)


@pytest.mark.parametrize(
    ("number", "text"),
    [(144, "144"), (9_999, "9,999"), (36_864, "36.9 k"), (109_482_240, "109 M"),
     (22_400_000_000, "22.4 G"), (3 * 10**12, "3 T")],
)  # fmt: skip
def test_large_counts_are_short(number, text):
    assert shape_words.short_count(number) == text


@pytest.mark.parametrize(("positions", "tokens"), [(512, 128), (128, 128), (100, 64), (8, 16)])
def test_operations_are_counted_at_a_length_that_the_model_reads(positions, tokens):
    assert shape_words.usual_length(replace(SHAPE, positions=positions)) == tokens
