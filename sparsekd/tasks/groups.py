"""Groups of examples that belong together: their texts stand in one another, or are shared.

A selection text that stands inside a training text asks for memory. So examples are grouped, and
whole groups are drawn (`sparsekd.tasks.group_draw`). Short texts recur by chance: were they to
join all texts that contain them, SST-2 would be one group. They join none; where several groups
contain one, its examples stay in training.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.tasks.containment import Ints, Words, containments, distinct, words_of

CHANCE = 4
"""Words from which on a common text joins what contains it.

On the 67 349 phrases of SST-2 the largest group has 168 of them; from 3 words on 4 820, from 2 on
half of all.
"""
GIANT = 0.5  # of the examples in one group: the shorter texts of pairs then join nothing


@dataclass(frozen=True)
class Groups:
    """The group of each example, and which must stay in training: they belong to several.

    Shapes: of (N,), common (N,), N the number of examples.
    """

    of: Ints
    common: NDArray[np.bool_]

    @property
    def shared(self) -> float:
        """Return the share of examples that are not alone in their group, or are common."""
        alone = np.bincount(self.of)[self.of] == 1
        return float((~alone | self.common).mean()) if len(self.of) else 0.0


def text_groups(frame: pd.DataFrame) -> Groups:
    """Group the rows of a frame (columns text and pair) by their texts.

    Two rows are in one group where they share a text, or one's text stands in the other's. If that
    joins more than half of the rows of pairs, as generic hypotheses do, the longer texts alone
    join, the premises.
    """
    columns = [name for name in ("text", "pair") if name in frame]
    found = _groups([list(frame[name]) for name in columns])
    if len(columns) == 1 or np.bincount(found.of).max(initial=0) <= GIANT * len(frame):
        return found
    lengths = {name: frame[name].map(lambda text: len(words_of(text))).sum() for name in columns}
    return _groups([list(frame[max(lengths, key=lambda name: lengths[name])])])


def column_groups(values: pd.Series) -> Groups:
    """Group rows by the values of a column; a row whose cell is empty is a group of its own.

    Shapes: values (N,).
    """
    blank = (values.isna() | (values.astype(str).str.strip() == "")).to_numpy()
    codes = np.asarray(pd.factorize(values.astype(str))[0], dtype=np.int64)
    of = np.where(blank, codes.max(initial=0) + 1 + np.arange(len(codes)), codes)
    return Groups(np.unique(of, return_inverse=True)[1], np.zeros(len(codes), dtype=bool))


def _groups(columns: Sequence[Sequence[str]]) -> Groups:
    rows = len(columns[0])
    words, numbers = distinct(text for column in columns for text in column)
    inner, outer = containments(words)
    row, text = np.tile(np.arange(rows), len(columns)), numbers
    joins = _long(words, text) if len(columns) > 1 else np.ones(rows, dtype=bool)
    long = _long(words, inner)
    many = len(words.lengths)
    # Nodes: the texts, then the rows.
    links = [(text[joins], many + row[joins]), (inner[long], outer[long])]
    found = _components(links, many + rows)
    if len(columns) == 1:
        links.append(_owned(words, inner, outer, found))
        found = _components(links, many + rows)
    return _with_common(words, (inner, outer), (text, row), found)


def _long(words: Words, texts: Ints) -> NDArray[np.bool_]:
    return np.asarray(words.lengths[texts] >= CHANCE)


def _components(links: Sequence[tuple[Ints, Ints]], nodes: int) -> Ints:
    """Return the connected component of each node. Shapes: links (P,), (P,) -> (nodes,)."""
    from scipy.sparse import coo_array  # takes a while to load
    from scipy.sparse.csgraph import connected_components

    one, other = (np.concatenate(ends) for ends in zip(*links, strict=True))
    graph = coo_array((np.ones(len(one), dtype=np.int8), (one, other)), shape=(nodes, nodes))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _owned(words: Words, inner: Ints, outer: Ints, found: Ints) -> tuple[Ints, Ints]:
    """Return links of short texts to the one group whose texts contain them.

    Texts that stand in no other ones decide, for they contain whatever contains a short text.

    Shapes: inner, outer (P,), found (nodes,) -> (Q,), (Q,).
    """
    whole = np.ones(len(words.lengths), dtype=bool)
    whole[inner] = False
    chosen = whole[outer] & ~_long(words, inner)
    one = _single(inner[chosen], found[outer[chosen]], len(words.lengths))
    kept = one[inner[chosen]]
    return inner[chosen][kept], outer[chosen][kept]


def _single(texts: Ints, groups: Ints, many: int) -> NDArray[np.bool_]:
    """Return which of `many` texts have one group alone. Shapes: (P,), (P,) -> (many,)."""
    least, most = np.full(many, len(groups) + groups.max(initial=0)), np.full(many, -1)
    np.minimum.at(least, texts, groups)
    np.maximum.at(most, texts, groups)
    return np.asarray(least == most)


def _with_common(
    words: Words, pairs: tuple[Ints, Ints], cells: tuple[Ints, Ints], found: Ints
) -> Groups:
    """Return the groups of rows; common are those whose text rows of other groups have or contain.

    Shapes: pairs (P,), (P,): inner and outer texts; cells (M,), (M,): texts and their rows.
    """
    from scipy.sparse import csr_array, eye_array  # takes a while to load

    many = len(words.lengths)
    of = np.unique(found[many:], return_inverse=True)[1]
    rows = len(of)
    holds = csr_array((np.ones(len(cells[0]), dtype=bool), cells), shape=(many, rows))
    short = ~_long(words, pairs[0])
    inside = csr_array(
        (np.ones(short.sum(), dtype=bool), (pairs[0][short], pairs[1][short])), shape=(many, many)
    )
    reach = ((inside + eye_array(many, dtype=bool, format="csr")) @ holds).tocoo()
    one = _single(reach.coords[0].astype(np.int64), of[reach.coords[1]], many)
    common = np.zeros(rows, dtype=bool)
    common[cells[1][~one[cells[0]]]] = True
    return Groups(of, common)
