"""demo/similarity: how alike are two sentences, from 0 to 5?

A scene has five parts: who, does what, to what, where, when. Each part that both sentences share
counts one point, a near word ("doctor" and "nurse") counts half of one, anything else nothing.
"""

from sparsekd.tasks.demo.grammar import Chooser, Row, demo_card, sentence

CARD = demo_card(
    "demo/similarity",
    "Demo: how alike are two sentences, 0 to 5?",
    labels=(),
    metrics=("pearson", "spearman"),
    pair=True,
)
ORDER = 4
# Words of one group are near each other.
WHO = (("doctor", "nurse"), ("king", "queen"), ("farmer", "gardener"), ("singer", "dancer"))
DEED = (("buys", "sells"), ("paints", "draws"), ("cleans", "washes"), ("carries", "lifts"))
WHAT = (("chair", "table"), ("lamp", "candle"), ("boat", "ship"), ("basket", "box"))
WHERE = (
    ("in the kitchen", "in the bathroom"),
    ("on the hill", "on the mountain"),
    ("at the market", "at the shop"),
    ("by the river", "by the lake"),
)
WHEN = (("at dawn", "at noon"), ("in spring", "in summer"), ("on Monday", "on Tuesday"))
PARTS = (WHO, DEED, WHAT, WHERE, WHEN)
# A pair is unlike, mixed or alike, so that every score from 0 to 5 is common.
POINTS = ((0.0, 0.0, 0.0, 0.5), (0.0, 0.5, 1.0), (1.0, 1.0, 1.0, 0.5))


def partner(
    choose: Chooser, part: tuple[tuple[str, ...], ...], word: str, likeness: int
) -> tuple[str, float]:
    """Return the same word, a near one or another, and its points."""
    group = next(group for group in part if word in group)
    points = choose.one(POINTS[likeness])
    if points == 1.0:
        return word, points
    if points == 0.5:
        return next(other for other in group if other != word), points
    return choose.one(choose.one([other for other in part if other != group])), points


def text(words: list[str]) -> str:
    """Return a scene as a sentence."""
    who, deed, what, where, when = words
    return sentence(f"the {who} {deed} the {what} {where} {when}")


def write(choose: Chooser) -> Row:
    """Write a pair of sentences and its similarity."""
    first = [choose.one(choose.one(part)) for part in PARTS]
    likeness = choose.one((0, 1, 2))
    second = [partner(choose, *slot, likeness) for slot in zip(PARTS, first, strict=True)]
    score = sum(points for _, points in second)
    return (text(first), text([word for word, _ in second])), score
