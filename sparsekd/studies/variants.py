"""Ways to make a student, by name: methods, their variants, and where their teachers come from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sparsekd.catalog import methods
from sparsekd.catalog.card import Card
from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.parameters import Params
from sparsekd.errors import unknown
from sparsekd.studies import roles

CONTROLS = ("sparse_teacher", "random_mask", "assistant")
USUAL_CONTROLS = ("vanilla:sparse_teacher", "vanilla:random_mask")


@dataclass(frozen=True)
class Way:
    """One way to make a student: a method of the catalogue, and where its teachers come from.

    `source` is empty for the teachers as they are, else one of `roles.SOURCES` or teacher_<k>.
    """

    name: str
    card: Card
    values: Mapping[str, Any]
    source: str = ""

    @property
    def method(self) -> str:
        """What the catalogue calls it: the name without its source."""
        return roles.parts(self.name)[0]

    def params(self, changes: Mapping[str, Mapping[str, Any]]) -> Params:
        """The method's parameters: what is changed for it, what makes the variant, its changes."""
        own = {**changes.get(self.card.name, {}), **self.values, **changes.get(self.method, {})}
        return self.card.params.of(own)


def read(name: str) -> Way:
    """The way behind a name.

    Raises:
        NotFound: no method or variant is called so, or it has no such source; the nearest names
            are in the hint.
    """
    method, source = roles.parts(name)
    known = methods.variants()
    if method in known:
        card = METHODS[method.partition(":")[0]]
        if not source or _has(card, source):
            return Way(name, card, known[method].values, source)
    sources = [*CONTROLS, "teacher_2", "dense_and_sparse"]
    possible = [f"{n}:{s}" for n in known for s in sources if _has(METHODS[n.split(":")[0]], s)]
    raise unknown("method", name, [*known, *possible])


def _has(card: Card, source: str) -> bool:
    """Whether the teachers of a method can come from there."""
    if source == "dense_and_sparse":
        return card.most_teachers > 1
    fits = source in CONTROLS or roles.teacher_number(source) is not None
    return fits and card.least_teachers == card.most_teachers == 1


def menu(teachers: int = 1) -> list[str]:
    """Every method, variant and control that teachers in that number allow; none stands twice.

    A variant whose parameters are its method's own is left to the method.
    """
    names: list[str] = []
    for name, variant in methods.variants().items():
        card = METHODS[name.partition(":")[0]]
        same = card.params.of(dict(variant.values)) == card.params()
        if name == card.name or not same:
            names.append(name)
    further = [f"teacher_{number}" for number in range(2, teachers + 1)]
    names += [f"vanilla:{source}" for source in (*CONTROLS, *further)]
    both = [name for name, card in METHODS.items() if card.most_teachers > 1]
    return names + [f"{name}:dense_and_sparse" for name in both]


def usual(names: list[str]) -> list[str]:
    """Return the methods themselves and the two controls that every comparison starts with."""
    return [name for name in names if ":" not in name or name in USUAL_CONTROLS]


def of_sparse_teacher() -> list[str]:
    """Return each method of one teacher, learning from the sparse teacher."""
    return [f"{name}:sparse_teacher" for name, c in METHODS.items() if c.least_teachers == 1]
