"""A draw of whole groups of examples: the selection split that shares no text with training.

Scikit-learn's StratifiedGroupKFold visits every fold for every group: minutes where there are as
many groups as MNLI has premises, since a selection split is a small part of them.
"""

import numpy as np
from numpy.typing import NDArray

from sparsekd.errors import BadInput
from sparsekd.tasks.containment import Ints
from sparsekd.tasks.groups import Groups


class LargeGroups(BadInput):
    """Groups are too large for a selection split."""


def draw_groups(
    groups: Groups, rows: Ints, strata: Ints | None, size: int, seed: int, name: str
) -> Ints:
    """Draw about `size` of `rows` in whole groups, each stratum in its share of them.

    A group is left out whole where one of its examples is not among `rows`, or is common. Where
    the groups are so large that less than half of `size` fits, the smallest are taken, up to half
    of the rows.

    Args:
        strata: The stratum of each of `rows`; None for one stratum.

    Shapes: rows (R,), strata (R,) -> (S,), in ascending order, S about `size`.
    Raises:
        LargeGroups: less than half of `size` can be drawn.
    """
    stratum = np.zeros(len(rows), dtype=np.int64) if strata is None else strata
    many = len(groups.of)
    inside = np.zeros(many, dtype=bool)
    inside[rows] = True
    spoilt = np.zeros(groups.of.max(initial=0) + 1, dtype=bool)
    spoilt[groups.of[groups.common | ~inside]] = True
    order = np.argsort(groups.of[rows], kind="stable")
    numbers, begins = np.unique(groups.of[rows][order], return_index=True)
    members = [
        part
        for number, part in zip(numbers, np.split(order, begins[1:]), strict=True)
        if not spoilt[number]
    ]
    shuffled = [members[place] for place in np.random.default_rng(seed).permutation(len(members))]
    chosen = _fill(shuffled, stratum, _quotas(stratum, size))
    taken = sum(len(shuffled[place]) for place in chosen)
    rest = sorted(set(range(len(shuffled))) - set(chosen), key=lambda place: len(shuffled[place]))
    for place in rest:
        if taken >= size / 2 or taken + len(shuffled[place]) > len(rows) / 2:
            break
        chosen.append(place)
        taken += len(shuffled[place])
    if taken < size / 2:
        largest = np.bincount(groups.of).max(initial=0)
        raise LargeGroups(
            f"{name}: the groups of the selection split are too large: {taken:,} of the {size:,} "
            f"examples that it needs can be drawn, the largest group has {largest:,} of {many:,}.",
            "Choose the plain selection split (--selection plain), or another group column.",
        )
    return np.sort(rows[np.concatenate([shuffled[place] for place in chosen])])


def _quotas(stratum: Ints, size: int) -> Ints:
    """Return the examples to draw of each stratum: its share of `size`, by largest remainders."""
    exact = np.bincount(stratum) * size / len(stratum)
    quotas = np.floor(exact).astype(np.int64)
    quotas[np.argsort(quotas - exact, kind="stable")[: size - quotas.sum()]] += 1
    return quotas


def _fill(members: list[NDArray[np.int64]], stratum: Ints, room: Ints) -> list[int]:
    """Take each group that still fits into the room of every stratum; return their places."""
    chosen, room = [], room.copy()
    for place, rows in enumerate(members):
        need = np.bincount(stratum[rows], minlength=len(room))
        if (need <= room).all():
            chosen.append(place)
            room -= need
            if not room.any():
                break
    return chosen
