"""Where a head attends: its attention by kind of target token."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TARGETS = ("special tokens", "itself", "the token before", "the token after", "elsewhere")


def attention_shares(attention: NDArray[np.float32], special: Sequence[bool]) -> dict[str, float]:
    """Return the share of a word's attention by kind of target, averaged over the words.

    The shares of `TARGETS` sum to 1; NaN for a text of special tokens alone.

    Shapes: attention (T, T), a row per attending token; special (T,).
    """
    rows, is_special = attention.astype(np.float64), np.array(special)
    words = np.flatnonzero(~is_special)
    if not len(words):
        return dict.fromkeys(TARGETS, float("nan"))
    to_special = rows[words][:, is_special].sum(axis=1)
    near = [_offset(rows, is_special, words, step) for step in (0, -1, 1)]
    rest = rows[words].sum(axis=1) - to_special - sum(near)
    shares = (to_special, *near, rest)
    return {name: float(each.mean()) for name, each in zip(TARGETS, shares, strict=True)}


def _offset(
    rows: NDArray[np.float64], special: NDArray[np.bool_], words: NDArray[np.int64], step: int
) -> NDArray[np.float64]:
    """Return each word's attention to the word `step` tokens away, 0 where there is none."""
    there = words + step
    inside = (there >= 0) & (there < len(special))
    safe = np.where(inside, there, words)
    return np.where(inside & ~special[safe], rows[words, safe], 0.0)
