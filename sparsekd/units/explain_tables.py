"""The explanation of one unit as a table."""

import pandas as pd

from sparsekd.units.explain import Explanation


def spans(unit: Explanation) -> pd.DataFrame:
    """Return every interval of λ, and of the sparsity, in which the unit is removed or kept.

    Returns:
        along ("λ" or "sparsity"), from, to, state ("removed" or "kept").
    """
    rows = [("λ", span.start, span.end, span.removed) for span in unit.spans]
    turn = 1.0 if unit.removal_sparsity is None else unit.removal_sparsity
    if turn > 0:
        rows.append(("sparsity", 0.0, turn, False))
    if unit.removal_sparsity is not None:
        rows.append(("sparsity", turn, 1.0, True))
    table = pd.DataFrame(rows, columns=["along", "from", "to", "state"])
    return table.assign(state=table["state"].map({True: "removed", False: "kept"}))
