"""A mask counted layer by layer."""

import numpy as np

from sparsekd.units import mask_tables
from sparsekd.units.masking import Mask


def test_every_layer_is_counted():
    neurons = np.array([[True, True, True], [False, False, True]])
    table = mask_tables.per_layer(Mask(np.array([[True, False], [False, False]]), neurons))

    assert table.to_dict("list") == {
        "layer": [1, 2],
        "heads kept": [1, 0],
        "heads removed": [1, 2],
        "neurons kept": [3, 1],
        "neurons removed": [0, 2],
    }


def test_layers_without_a_kept_unit_are_found():
    kept = np.array([[False, False], [True, False], [False, False]])

    assert mask_tables.empty_layers(kept) == [1, 3]
