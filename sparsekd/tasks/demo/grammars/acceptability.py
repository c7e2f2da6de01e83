"""demo/acceptability: is the sentence grammatical English?

Four rules, each kept or broken in one word: a verb agrees with the head of its subject, whatever
stands between; a reflexive agrees with its subject; "ever" and "any" need a negation above them;
a verb takes the objects that it takes. Up to two harmless additions stand around them.
"""

from sparsekd.tasks.demo.grammar import Chooser, Row, demo_card, sentence

CARD = demo_card(
    "demo/acceptability",
    "Demo: is the sentence grammatical?",
    labels=("unacceptable", "acceptable"),
    metrics=("mcc",),
)
ORDER = 3
# Singular, plural.
NOUNS = (
    ("key", "keys"),
    ("letter", "letters"),
    ("picture", "pictures"),
    ("child", "children"),
    ("teacher", "teachers"),
    ("neighbour", "neighbours"),
    ("doctor", "doctors"),
    ("pilot", "pilots"),
)
PEOPLE = (
    ("boy", "boys", "himself"),
    ("king", "kings", "himself"),
    ("girl", "girls", "herself"),
    ("queen", "queens", "herself"),
)
LINKS = ("near", "behind", "next to", "in front of")
COPULA = (("is", "are"), ("was", "were"), ("has been", "have been"))
STATES = ("missing", "old", "famous", "late", "quiet", "tall")
MIRRORED = ("hurt", "admired", "blamed", "painted", "trusted")
LICENSED = ("nobody", "no pilot", "no child", "not one doctor")
UNLICENSED = ("somebody", "a pilot", "each child", "one doctor")
POLAR = ("has ever slept here", "has any money", "has ever seen any snow", "ate any bread")
NEVER = ("slept", "arrived", "smiled", "vanished")
ALWAYS = ("devoured", "repaired", "fixed", "visited")
THINGS = ("the cake", "the bridge", "the car", "the castle")
TIMES = ("yesterday", "on Monday", "last night", "at noon")
FRAMES = ("I think that", "we know that", "she said that", "it seems that")


def noun_phrase(choose: Chooser) -> tuple[str, int]:
    """Write a subject with other nouns between head and verb; return it and the head's number."""
    head, other = choose.two(NOUNS)
    number, distracting = int(choose.chance(0.5)), int(choose.chance(0.5))
    text = f"the {head[number]} {choose.one(LINKS)} the {other[distracting]}"
    if choose.chance(0.3):
        text += f" {choose.one(LINKS)} the {choose.one(NOUNS)[int(choose.chance(0.5))]}"
    return text, number


def agreement(choose: Chooser, good: bool) -> str:
    """Write a sentence such as "the keys to the cabinet are (*is) missing"."""
    subject, number = noun_phrase(choose)
    copula = choose.one(COPULA)[number if good else 1 - number]
    return f"{subject} {copula} {choose.one(STATES)}"


def reflexive(choose: Chooser, good: bool) -> str:
    """Write a sentence such as "the girls near the king hurt themselves (*himself)"."""
    (single, plural, own), (other, others, foreign) = choose.two(PEOPLE)
    many = choose.chance(0.5)
    right = "themselves" if many else own
    others_own = [word for word in ("themselves", foreign) if word != own]
    wrong = own if many else choose.one(others_own)
    between = others if choose.chance(0.5) else other
    mirror = right if good else wrong
    head = plural if many else single
    text = f"the {head} {choose.one(LINKS)} the {between} {choose.one(MIRRORED)} {mirror}"
    return timed(choose, text)


def licensing(choose: Chooser, good: bool) -> str:
    """Write a sentence such as "nobody (*somebody) has ever slept here".

    The negation must be above "ever", not beside it.
    """
    subject = choose.one(LICENSED if good else UNLICENSED)
    if choose.chance(0.4):
        beside = choose.one(UNLICENSED if good else LICENSED)
        subject += f" who {choose.one(MIRRORED)} {beside}"
    return f"{subject} {choose.one(POLAR)}"


def arguments(choose: Chooser, good: bool) -> str:
    """Write a sentence such as "the pilot repaired the car", "*the pilot slept the car"."""
    head, other = choose.two(PEOPLE)
    subject = f"the {choose.one(head[:2])} {choose.one(LINKS)} the {choose.one(other[:2])}"
    transitive = choose.chance(0.5)
    text = f"{subject} {choose.one(ALWAYS if transitive else NEVER)}"
    return timed(choose, f"{text} {choose.one(THINGS)}" if transitive == good else text)


def timed(choose: Chooser, text: str) -> str:
    """Add a time in the past to every other sentence."""
    return f"{text} {choose.one(TIMES)}" if choose.chance(0.5) else text


RULES = (agreement, reflexive, licensing, arguments)


def write(choose: Chooser) -> Row:
    """Write a sentence and its label: 0 unacceptable, 1 acceptable."""
    good = choose.chance(0.5)
    text = choose.one(RULES)(choose, good)
    if choose.chance(0.4):
        text = f"{choose.one(FRAMES)} {text}"
    return (sentence(text),), int(good)
