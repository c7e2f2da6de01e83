"""demo/inference: does the first sentence entail the second, contradict it, or leave it open?

A scene has a person, a deed, a place and perhaps a thing worn. The second sentence says it again
with changes. Harmless ones keep what the first says (a nurse is a woman at work, running is
moving, a detail is left out); at most one change decides: a narrower word or a new detail is
neutral, an opposite or a negation is a contradiction.
"""

from dataclasses import dataclass, replace
from typing import Any

from sparsekd.tasks.demo.grammar import Chooser, Row, demo_card, sentence

CARD = demo_card(
    "demo/inference",
    "Demo: does the first sentence entail the second?",
    labels=("entailment", "neutral", "contradiction"),
    metrics=("accuracy",),
    pair=True,
)
ORDER = 2
# Narrow word → wider word.
PERSONS = {
    "girl": "child",
    "boy": "child",
    "nurse": "worker",
    "baker": "worker",
    "violinist": "musician",
    "drummer": "musician",
}
DEEDS = {
    "running": "moving",
    "dancing": "moving",
    "whispering": "talking",
    "shouting": "talking",
    "dozing": "resting",
    "sunbathing": "resting",
}
# Deeds that exclude each other: moving and resting.
OPPOSITES = {"moving": ("dozing", "resting"), "resting": ("running", "moving")}
PLACES = {
    "in the kitchen": "indoors",
    "in the library": "indoors",
    "in the cellar": "indoors",
    "in the meadow": "outdoors",
    "on the beach": "outdoors",
    "in the garden": "outdoors",
}
WORN = {
    "a red coat": "a coat",
    "a blue coat": "a coat",
    "a straw hat": "a hat",
    "a woollen hat": "a hat",
}
MAY_CHANGE = ("person", "deed", "place", "worn")


@dataclass(frozen=True)
class Scene:
    """A person, a deed, a place and clothes; empty strings are left out."""

    person: str
    deed: str
    place: str = ""
    worn: str = ""
    negated: bool = False

    def text(self, start: str) -> str:
        """Return the scene as a sentence."""
        verb = "is not" if self.negated else "is"
        worn = f"in {self.worn}" if self.worn else ""
        return sentence(
            " ".join(filter(None, (start, self.person, worn, verb, self.deed, self.place)))
        )


def write(choose: Chooser) -> Row:
    """Write a pair of sentences and its label: 0 entailment, 1 neutral, 2 contradiction."""
    label = choose.one((0, 1, 2))
    scene = Scene(
        choose.one(tuple(PERSONS)),
        choose.one(tuple(DEEDS)),
        choose.one(tuple(PLACES)),
        choose.one(tuple(WORN)) if choose.chance(0.5) else "",
    )
    if choose.chance(0.35):
        scene, told = denied(choose, replace(scene, place="", worn=""), label)
        return (scene.text("a"), harmless(choose, told, {"person"}).text("the")), label
    told, touched = scene, set(MAY_CHANGE)
    if label == 1:
        scene, told, decisive = opened(choose, scene)
        touched -= {decisive}
    told = harmless(choose, told, touched)
    if label == 2:
        told = opposed(choose, scene, told)
    return (scene.text("a"), told.text("the")), label


def harmless(choose: Chooser, scene: Scene, names: set[str]) -> Scene:
    """Return a scene that is entailed: wider words or fewer details in some of the named parts."""
    wider = {
        "person": PERSONS.get(scene.person, scene.person),
        "deed": DEEDS.get(scene.deed, scene.deed),
        "place": choose.one((PLACES.get(scene.place, scene.place), "")),
        "worn": choose.one((WORN.get(scene.worn, scene.worn), "")),
    }
    changed: dict[str, Any] = {
        name: wider[name] for name in MAY_CHANGE if choose.chance(0.4) and name in names
    }
    return replace(scene, **changed)


def opened(choose: Chooser, scene: Scene) -> tuple[Scene, Scene, str]:
    """Return a scene that leaves one part open, one that fills it in, and that part."""
    kind = choose.one(MAY_CHANGE)
    if kind == "worn":
        return replace(scene, worn=""), replace(scene, worn=choose.one(tuple(WORN))), kind
    if kind == "place":
        return replace(scene, place=choose.one((PLACES[scene.place], ""))), scene, kind
    if kind == "person":
        return replace(scene, person=PERSONS[scene.person]), scene, kind
    return replace(scene, deed=DEEDS[scene.deed]), scene, kind


def opposed(choose: Chooser, scene: Scene, told: Scene) -> Scene:
    """Return a contradicting scene: a negation, the opposite deed, or another place."""
    opposites = OPPOSITES.get(DEEDS[scene.deed], ())
    kind = choose.one(("negation", "deed", "place") if opposites else ("negation", "place"))
    if kind == "negation":
        return replace(told, negated=True)
    if kind == "deed":
        return replace(told, deed=choose.one(opposites))
    elsewhere = [place for place, side in PLACES.items() if side != PLACES[scene.place]]
    sides = {"indoors": "outdoors", "outdoors": "indoors"}
    return replace(told, place=choose.one((*elsewhere, sides[PLACES[scene.place]])))


def denied(choose: Chooser, scene: Scene, label: int) -> tuple[Scene, Scene]:
    """Return a negated scene and a second one; under negation wide words entail narrow ones."""
    wide = replace(scene, deed=DEEDS[scene.deed], negated=True)
    narrow = replace(scene, negated=True)
    if label == 0:
        return wide, choose.one((wide, narrow))
    if label == 2:
        first = choose.one((wide, wide, narrow))
        return first, replace(scene, negated=False)
    other = [deed for deed, wider in DEEDS.items() if wider == wide.deed and deed != scene.deed]
    told = choose.one((wide.deed, *other))
    return narrow, replace(wide, deed=told, negated=choose.chance(0.5))
