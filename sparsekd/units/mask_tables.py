"""What a mask keeps and removes in each layer."""

import pandas as pd

from sparsekd.units.masking import Mask
from sparsekd.units.scores import Flags


def per_layer(mask: Mask) -> pd.DataFrame:
    """Return one row per layer (from 1): heads and neurons kept and removed."""
    return pd.DataFrame(
        {
            "layer": range(1, len(mask.heads) + 1),
            "heads kept": mask.heads.sum(axis=1),
            "heads removed": (~mask.heads).sum(axis=1),
            "neurons kept": mask.neurons.sum(axis=1),
            "neurons removed": (~mask.neurons).sum(axis=1),
        }
    )


def empty_layers(kept: Flags) -> list[int]:
    """Return the layers (from 1) in which nothing is kept.

    Shapes: (L, U).
    """
    return [layer for layer, row in enumerate(kept, start=1) if not row.any()]
