"""What a comparison compares, by name: methods, their variants, and the source of the teacher."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sparsekd.catalog import methods
from sparsekd.catalog.method_card import MethodCard
from sparsekd.catalog.methods import COMPARED, METHODS
from sparsekd.catalog.parameters import MethodParams
from sparsekd.errors import unknown
from sparsekd.studies import roles

TEACHER_SOURCES = ("sparse_teacher", "random_mask", "assistant")
"""Where the teacher of a method of one teacher can come from, other than fine-tuning."""
DEFAULT_CONTROLS = ("vanilla:sparse_teacher", "vanilla:random_mask")


@dataclass(frozen=True)
class StudentVariant:
    """A method with some of its parameters, and the source of its teachers.

    `source` is empty for the fine-tuned teachers, else one of `roles.SOURCES` or teacher_<k>; of
    the control that matches an entropy it is the teacher with that entropy.
    `start` are parameters of the student that differ from those of the others.
    """

    name: str
    card: MethodCard
    values: Mapping[str, Any]
    source: str = ""
    start: Mapping[str, Any] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """Return the name in the catalogue: the name without its source."""
        return roles.split_name(self.name)[0]

    def params(self, changes: Mapping[str, Mapping[str, Any]]) -> MethodParams:
        """Return the method's parameters: changes of the method, the variant's, its own changes."""
        own = {**changes.get(self.card.name, {}), **self.values, **changes.get(self.method, {})}
        return self.card.params.of(own)


def parse(name: str) -> StudentVariant:
    """Return the variant of a name such as "pkd:last" or "vanilla:sparse_teacher".

    Raises:
        NotFound: no such method or variant, or it has no such source; the hint has the nearest
            names.
    """
    method, source = roles.split_name(name)
    known = methods.variants()
    if method in known:
        card, values = _card(method), known[method].values
        if not source and values.get("answers") == "matched_entropy":
            source = "sparse_teacher"
        if not source or _has_source(card, source):
            return StudentVariant(name, card, values, source, known[method].start)
    sources = [*TEACHER_SOURCES, "teacher_2", "dense_and_sparse"]
    possible = [
        f"{n}:{source}" for n in known for source in sources if _has_source(_card(n), source)
    ]
    raise unknown("method", name, [*known, *possible])


def all_names(teachers: int = 1) -> list[str]:
    """Return every method, variant and control for a number of teachers, each once.

    A variant whose parameters and start are its method's defaults is left to the method.
    """
    names: list[str] = []
    for name, variant in methods.variants().items():
        card = _card(name)
        same = not variant.start and card.params.of(dict(variant.values)) == card.params()
        if name == card.name or not same:
            names.append(name)
    further = [f"teacher_{number}" for number in range(2, teachers + 1)]
    names += [f"vanilla:{source}" for source in (*TEACHER_SOURCES, *further)]
    both = [name for name, card in METHODS.items() if card.most_teachers > 1]
    return names + [f"{name}:dense_and_sparse" for name in both]


def default_names(names: list[str]) -> list[str]:
    """Return the methods themselves and the two controls that every comparison starts with."""
    return [name for name in names if ":" not in name or name in DEFAULT_CONTROLS]


def of_sparse_teacher() -> list[str]:
    """Return each method of one teacher, learning from the sparse teacher."""
    return [f"{name}:sparse_teacher" for name, c in METHODS.items() if c.least_teachers == 1]


def _card(name: str) -> MethodCard:
    return COMPARED[name.partition(":")[0]]


def _has_source(card: MethodCard, source: str) -> bool:
    """Return whether the teachers of a method can have this source."""
    if source == "dense_and_sparse":
        return card.most_teachers > 1
    fits = source in TEACHER_SOURCES or roles.teacher_number(source) is not None
    return fits and card.least_teachers == card.most_teachers == 1
