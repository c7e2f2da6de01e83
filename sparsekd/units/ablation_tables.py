"""What an ablation measured, as tables."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.units import harm
from sparsekd.units.ablation import Ablation, Measure
from sparsekd.units.ablation_words import title
from sparsekd.units.harm import Granularity
from sparsekd.units.score_tables import per_unit


def changes(ablation: Ablation, granularity: Granularity) -> pd.DataFrame:
    """Return one row per removal: layer and number (from 1), and the change of each measure."""
    values = {
        title(ablation, measure): harm.changes(ablation, granularity, measure)
        for measure in ablation.measures
    }
    table = per_unit(values, granularity)
    if granularity == "neuron" and ablation.neuron_layer is not None:
        return table.assign(layer=ablation.neuron_layer + 1)
    return table


def places(ablation: Ablation, granularity: Granularity) -> NDArray[np.int64]:
    """Return layer and number, from 1, of every removal, in the order of the ablation.

    Shapes: -> (U, 2).
    """
    table = changes(ablation, granularity)
    return np.asarray(table[["layer", granularity]], dtype=np.int64)


def by_harm(ablation: Ablation, measure: Measure) -> NDArray[np.int64]:
    """Return the single neurons that were removed, counted from 0, the most harmful first.

    Shapes: -> (F,).
    """
    order: NDArray[np.int64] = np.argsort(
        -harm.harms(ablation, "neuron", measure)[0], kind="stable"
    )
    return order
