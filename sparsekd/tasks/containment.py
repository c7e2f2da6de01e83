"""Texts that stand inside other texts, found through an index of their rarest adjacent words."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
WORD = re.compile(r"\w+")
CANDIDATES = 1 << 22  # compared at once


@dataclass(frozen=True)
class Words:
    """Distinct texts as word ids, concatenated: text i has ids[starts[i]:starts[i] + lengths[i]].

    Shapes: ids (W,), starts (N,), lengths (N,), W here the words of all texts, N the texts.
    """

    ids: Ints
    starts: Ints
    lengths: Ints

    @cached_property
    def owners(self) -> Ints:
        """Return the text of each word. Shapes: -> (W,)."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


def words_of(text: str) -> tuple[str, ...]:
    """Return the words of a text without case and punctuation; the text where it has no word."""
    return tuple(WORD.findall(text.casefold())) or (text.strip(),)


def distinct(texts: Iterable[str]) -> tuple[Words, Ints]:
    """Return the distinct texts, as words, and which of them each text is.

    Shapes: -> (N,), N here the number of texts.
    """
    vocabulary: dict[str, int] = {}
    numbers: dict[tuple[int, ...], int] = {}
    places: list[int] = []
    seen: dict[str, int] = {}
    for text in texts:
        if text not in seen:
            ids = tuple(vocabulary.setdefault(w, len(vocabulary)) for w in words_of(text))
            seen[text] = numbers.setdefault(ids, len(numbers))
        places.append(seen[text])
    lengths = np.array([len(ids) for ids in numbers], dtype=np.int64)
    flat = np.fromiter((each for ids in numbers for each in ids), np.int64, int(lengths.sum()))
    return Words(flat, np.cumsum(lengths) - lengths, lengths), np.array(places, dtype=np.int64)


def containments(texts: Words) -> tuple[Ints, Ints]:
    """Return every pair of an inner text and an outer one, in which it stands word by word.

    A text is looked up where its rarest two adjacent words occur (a text of one word, where that
    occurs) and compared there. That takes time in proportion to these occurrences, which are few.

    Shapes: -> (P,), (P,), P here the number of pairs.
    """
    last = np.zeros(len(texts.ids), dtype=bool)
    last[texts.starts + texts.lengths - 1] = True
    following = np.append(texts.ids[1:], 0)
    adjacent = np.where(last, -1, texts.ids * (texts.ids.max(initial=0) + 1) + following)
    one = texts.lengths == 1
    found = [
        *_occurrences(texts, texts.ids, np.flatnonzero(one)),
        *_occurrences(texts, adjacent, np.flatnonzero(~one)),
    ]
    many = len(texts.lengths)
    pairs = np.unique(np.concatenate([inner * many + outer for inner, outer in found]))
    return pairs // many, pairs % many


def _occurrences(texts: Words, grams: Ints, queries: Ints) -> list[tuple[Ints, Ints]]:
    """Return inner and outer texts by chunks of `queries`, looked up by their rarest gram.

    Shapes: grams (W,): what begins at each word, −1 for nothing; queries (Q,).
    """
    if not len(queries):
        return []
    _, gram, counts = np.unique(grams, return_inverse=True, return_counts=True)
    places = np.argsort(gram, kind="stable")
    firsts = np.cumsum(counts) - counts
    many = len(grams)
    rarity = np.where(grams < 0, many, counts[gram])
    rarest = np.minimum.reduceat(rarity * many + np.arange(many), texts.starts)[queries] % many
    sizes, begins = counts[gram[rarest]], firsts[gram[rarest]]
    offsets = rarest - texts.starts[queries]
    chunks = np.cumsum(sizes) // CANDIDATES
    found = []
    for chunk in np.split(np.arange(len(queries)), np.flatnonzero(np.diff(chunks)) + 1):
        size = sizes[chunk]
        within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
        at = places[np.repeat(begins[chunk], size) + within]
        start, inner = at - np.repeat(offsets[chunk], size), np.repeat(queries[chunk], size)
        found.append(_equal(texts, inner, start, texts.owners[at]))
    return found


def _equal(texts: Words, inner: Ints, start: Ints, outer: Ints) -> tuple[Ints, Ints]:
    """Keep the pairs whose inner text stands in the outer one, from word `start` on.

    Shapes: inner, start, outer (P,) -> (Q,), (Q,), Q of the P pairs.
    """
    end = texts.starts[outer] + texts.lengths[outer]
    fits = (inner != outer) & (start >= texts.starts[outer])
    fits &= start + texts.lengths[inner] <= end
    alive = np.flatnonzero(fits)
    whole = []
    offset = 0
    while len(alive):
        word, wanted = start[alive] + offset, texts.starts[inner[alive]] + offset
        alive = alive[texts.ids[word] == texts.ids[wanted]]
        offset += 1
        ended = texts.lengths[inner[alive]] == offset
        whole.append(alive[ended])
        alive = alive[~ended]
    chosen = np.concatenate(whole) if whole else alive
    return inner[chosen], outer[chosen]
