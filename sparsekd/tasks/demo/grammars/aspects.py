"""demo/aspects: which aspects of a film does the writer praise? Any number of them, or none.

A review has two to four statements on different aspects, each by one of the aspect's words: "the
villain was witty" is on the acting. A statement is praise or blame; "was hardly dull" is praise,
"it is a myth that …" turns a statement round, and so does the word of a liar. An aspect that is not
mentioned is not praised. The words are those of demo/sentiment.
"""

from sparsekd.tasks.demo.grammar import Chooser, Row, demo_card, sentence
from sparsekd.tasks.demo.grammars.sentiment import (
    BAD,
    DISTRUSTED,
    FALSE,
    GOOD,
    NEGATIONS,
    SAID,
    TRUE,
    TRUSTED,
)

ASPECTS = {
    "acting": ("acting", "cast", "hero", "villain"),
    "humour": ("humour", "dialogue", "romance"),
    "music": ("music", "sound", "singing"),
    "pictures": ("lighting", "scenery", "editing", "direction"),
    "plot": ("plot", "story", "script", "twist", "ending"),
}
CARD = demo_card(
    "demo/aspects",
    "Demo: which aspects of the film does the writer praise?",
    labels=tuple(ASPECTS),
    metrics=("micro_f1", "macro_f1", "subset_accuracy"),
    multilabel=True,
)
ORDER = 5
COUNTS = (2, 2, 3, 3, 4)  # statements of a review
JOINS = (", and", ", but")


def statement(choose: Chooser, aspect: str) -> tuple[str, int]:
    """Write a statement on an aspect; return it and whether it is praise (1) or not (0)."""
    praise, turned = int(choose.chance(0.55)), choose.chance(0.2)
    verb = choose.one(NEGATIONS) if turned else "was"
    adjective = choose.one(GOOD if praise else BAD)
    text = f"the {choose.one(ASPECTS[aspect])} {verb} {adjective}"
    praise ^= turned
    if choose.chance(0.3):
        turned = choose.chance(0.5)
        if choose.chance(0.5):
            text = f"{choose.one(FALSE if turned else TRUE)} {text}"
        else:
            text = f"{choose.one(DISTRUSTED if turned else TRUSTED)} {choose.one(SAID)} {text}"
        praise ^= turned
    return text, praise


def write(choose: Chooser) -> Row:
    """Write a review, and 1 for each aspect that it praises."""
    aspects = list(ASPECTS)
    choose.random.shuffle(aspects)
    praised, text = dict.fromkeys(ASPECTS, 0), ""
    for aspect in aspects[: choose.one(COUNTS)]:
        part, praised[aspect] = statement(choose, aspect)
        text += f"{choose.one(JOINS)} {part}" if text else part
    return (sentence(text),), tuple(praised.values())
