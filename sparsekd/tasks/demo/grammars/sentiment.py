"""demo/sentiment: does the writer like the film? Scope and the speaker decide.

A *statement* is "the plot was dull", perhaps with a negation of its own ("was hardly dull"), or
weighs two: "the plot was slightly dull and the music was utterly superb", where the stronger
degree decides; elsewhere a degree changes nothing. A *report* puts a statement into a scope:
"it is a myth that …" turns it round, "it is clear that …" does not; the word of a liar or a fool
is turned round, an expert's or a scholar's is not, and "denied" turns round once more. Reports
nest. What a person liked besides ("who hated the book") says nothing about the film. In
"although A, B", "B, although A" and "A, but B" the writer stands by B.
"""

from sparsekd.tasks.demo.grammar import Chooser, Row, demo_card, sentence

CARD = demo_card(
    "demo/sentiment",
    "Demo: does the writer like the film?",
    labels=("negative", "positive"),
    metrics=("accuracy",),
)
ORDER = 1
PARTS = (
    *("plot", "music", "acting", "ending", "script", "cast", "story", "dialogue"),
    *("opening", "finale", "pacing", "lighting", "sound", "humour", "romance", "hero"),
    *("villain", "chase", "twist", "scenery", "direction", "editing", "singing", "narration"),
)
GOOD = ("superb", "charming", "clever", "lovely", "brilliant", "witty")
BAD = ("dull", "clumsy", "silly", "awful", "weak", "boring")
WEAK = ("slightly", "somewhat")
STRONG = ("utterly", "truly")
NEGATIONS = ("was not", "was never", "was hardly")
TRUE = ("it is true that", "I believe that", "it is clear that")
FALSE = ("it is false that", "I doubt that", "it is a myth that")
TRUSTED = ("an expert", "a scholar")
DISTRUSTED = ("a liar", "a fool")
SAID = ("said that", "wrote that")
DENIED = ("denied that", "disputed that")
THINGS = ("book", "popcorn", "poster", "seat")
FELT = ("loved", "hated", "liked", "disliked")
CONTRASTS = ("although {aside}, {text}", "{text}, although {aside}", "{aside}, but {text}")
# Number of scopes around a statement; an aside has none.
DEPTHS = (0, 0, 0, 1, 1, 1, 1, 1, 2, 2)


def statement(choose: Chooser) -> tuple[str, int]:
    """Write a statement on the film; return it and whether it is praise (1) or not (0)."""
    praise = int(choose.chance(0.5))
    adjective = choose.one(GOOD if praise else BAD)
    turned = choose.chance(0.25)
    if choose.chance(0.2):
        adjective = f"{choose.one(WEAK + STRONG)} {adjective}"
    verb = choose.one(NEGATIONS) if turned else "was"
    return f"the {choose.one(PARTS)} {verb} {adjective}", praise ^ turned


def weighed(choose: Chooser) -> tuple[str, int]:
    """Write two opposite statements, of which the stronger decides."""
    first, second = choose.two(PARTS)
    praise = int(choose.chance(0.5))
    adjectives = choose.one(GOOD if praise else BAD), choose.one(BAD if praise else GOOD)
    stronger = int(choose.chance(0.5))
    degrees = choose.one(WEAK), choose.one(STRONG)
    one, other = (degrees[1], degrees[0]) if stronger else degrees
    text = f"the {first} was {one} {adjectives[0]} and the {second} was {other} {adjectives[1]}"
    return text, praise if stronger else 1 - praise


def report(choose: Chooser, inner: str, praise: int) -> tuple[str, int]:
    """Put a statement or report into one more scope."""
    if choose.chance(0.6):
        turned = choose.chance(0.4)
        return f"{choose.one(FALSE if turned else TRUE)} {inner}", praise ^ turned
    lies, denies = choose.chance(0.4), choose.chance(0.25)
    voice = choose.one(DISTRUSTED if lies else TRUSTED)
    if choose.chance(0.2):
        voice += f" who {choose.one(FELT)} the {choose.one(THINGS)}"
    return f"{voice} {choose.one(DENIED if denies else SAID)} {inner}", praise ^ lies ^ denies


def write(choose: Chooser) -> Row:
    """Write a review and its label: 0 negative, 1 positive."""
    contrast = choose.chance(0.45)
    weighs = not contrast and choose.chance(0.25)
    text, praise = weighed(choose) if weighs else statement(choose)
    for _ in range(choose.one(DEPTHS)):
        text, praise = report(choose, text, praise)
    if contrast:
        aside, _ = statement(choose)
        text = choose.one(CONTRASTS).format(aside=aside, text=text)
    return (sentence(text),), praise
