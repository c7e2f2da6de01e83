"""A method's card: its name, source, parameters and limits, readable without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sparsekd.catalog.parameters import MethodParams

State = Literal["attention", "hidden", "cls", "values"]


@dataclass(frozen=True)
class Variant:
    """A method with some parameters changed: a published variant, or a control.

    `start` are parameters of the student that differ, where its initial weights make the variant.
    """

    title: str
    values: Mapping[str, Any]
    start: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MethodCard:
    """A distillation method's entry in the catalogue.

    The class is the one `Method` subclass of `sparsekd/methods/<name>.py`. `year` is that of
    `source`. `variants` appear beside the method in comparisons, each as "name:variant". A student
    has at least `least_layers` layers, and where a method `divides`, a number of layers that
    divides the teacher's. A method that `stacks` reads only logits and labels, so that several
    students can be trained in one stack. `reads` says which internal states it compares with its
    teacher's, in each layer of the student or in one; they decide how much memory it takes.
    `gold_terms` are the loss terms that need gold labels; the others use every text.
    """

    name: str
    title: str
    source: str
    year: int
    summary: str
    params: type[MethodParams]
    least_teachers: int = 1
    most_teachers: int = 1
    variants: Mapping[str, Variant] = field(default_factory=dict)
    least_layers: int = 1
    divides: bool = False
    stacks: bool = False
    reads: Mapping[State, Literal["each", "one"]] = field(default_factory=dict)
    gold_terms: tuple[str, ...] = ()

    @property
    def label_words(self) -> str:
        """Return which texts it learns from, in a sentence."""
        if not self.gold_terms:
            return "Learns from every text; no term needs a gold label."
        if self.params().labelled_only:
            return "Learns from labelled texts alone."
        terms = " and ".join(f"“{term}”" for term in self.gold_terms)
        return f"Learns from every text; the term {terms} from labelled ones alone."
