"""Sentences about masks, against counts by hand."""

import numpy as np

from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.units import overlap, overlap_words
from sparsekd.units.masking import Mask


def mask(*heads: bool) -> Mask:
    return Mask(np.array([heads]), np.ones((1, 8), dtype=bool))


ONE, OTHER = mask(True, True, False, False), mask(True, False, True, False)


def test_two_masks_are_counted_in_a_sentence():
    table = overlap.compare(ONE, OTHER)

    text = overlap_words.two_masks(table, "heads")

    assert text.startswith("**Heads**: 1 are kept by both, 1 only by A, 1 only by B, 1 by neither")
    assert "Jaccard index of the kept **0.33**" in text
    assert overlap_words.counts(table, "neurons") == (
        "8 kept by both, 0 only by A, 0 only by B, 0 by neither"
    )


def test_several_masks_are_counted_in_a_sentence():
    row = overlap.agreement([ONE, OTHER]).set_index("units", drop=False).loc["heads"]

    text = overlap_words.several_masks(row, 2)

    assert text.startswith("**Heads**: of 2 masks, all keep 1, none keeps 1, some keep 2.")
    assert "Mean Jaccard index of two masks **0.33** (lowest 0.33)" in text


def test_layers_are_numbered_from_one_and_the_last_row_is_all():
    table = overlap_words.numbered(overlap.compare(ONE, OTHER))

    assert list(table["layer"]) == ["1", "all", "1", "all"]


def test_a_mask_is_named_by_its_parameters_and_its_scores():
    params = MaskParams(lam=0.25, sparsity=0.4)

    assert overlap_words.mask_title(params, "abc") == "λ = 0.25, sparsity 40%, scores of run abc"
