"""The spans of a unit as a table, against the mask at every hundredth."""

import numpy as np
import pytest

from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.units import explain_tables, masking
from sparsekd.units.explain import explain
from sparsekd.units.scores import Scores

SHAPES = ((3, 4), (3, 4), (3, 16), (3, 16))


@pytest.mark.parametrize("place", [(0, 0), (1, 2), (2, 3)])
def test_a_table_says_at_every_lambda_and_sparsity_what_the_mask_does(place):
    drawn = np.random.default_rng(7)
    scores = Scores(*(drawn.gamma(1.5, size=shape) for shape in SHAPES))
    table = explain_tables.spans(
        explain(scores, "head", *place, MaskParams(sparsity=0.4, round_to=1))
    )

    for along, name in (("λ", "lam"), ("sparsity", "sparsity")):
        rows = table[table["along"] == along]
        assert (rows["to"] - rows["from"]).sum() == pytest.approx(1)
        for value in np.linspace(0.02, 0.9, 45):
            state = rows[(rows["from"] <= value) & (value <= rows["to"])]["state"].iloc[-1]
            params = MaskParams(sparsity=0.4, round_to=1).changed({name: float(value)})
            kept = masking.build(scores, params).heads[place]
            assert (state == "kept") == kept
