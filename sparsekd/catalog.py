"""The menus: one card per method, readable without torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from sparsekd.errors import unknown
from sparsekd.parameters import FineTuningParams, Params, VanillaParams


@dataclass(frozen=True)
class Variant:
    """A method with some parameters set otherwise: a published variant, or a control."""

    title: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Card:
    """One line of a menu, and where its code lives ("module:Class").

    `variants` stand beside the method in comparisons, each under "name:variant".
    """

    name: str
    title: str
    source: str
    summary: str
    params: type[Params]
    code: str
    least_teachers: int = 1
    most_teachers: int = 1
    variants: Mapping[str, Variant] = field(default_factory=dict)


METHODS: dict[str, Card] = {
    card.name: card
    for card in (
        Card(
            name="fine_tuning",
            title="Fine-tuning without a teacher",
            source="Devlin et al., NAACL 2019, arXiv 1810.04805",
            summary="The gold labels alone: what a student learns by itself.",
            params=FineTuningParams,
            code="sparsekd.methods.fine_tuning:FineTuning",
            least_teachers=0,
            most_teachers=0,
        ),
        Card(
            name="vanilla",
            title="Vanilla distillation",
            source="Hinton, Vinyals, Dean, 2015, arXiv 1503.02531; "
            "in the form of Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923",
            summary="The teacher's softened class probabilities mixed with the gold labels.",
            params=VanillaParams,
            code="sparsekd.methods.vanilla:Vanilla",
        ),
    )
}


def find(name: str, menu: dict[str, Card] = METHODS, kind: str = "method") -> Card:
    """The card called `name`.

    Raises:
        NotFound: nothing on the menu has that name; the nearest names are in the hint.
    """
    if name not in menu:
        raise unknown(kind, name, menu)
    return menu[name]


def variants(menu: Mapping[str, Card] = METHODS) -> dict[str, Variant]:
    """Every method and every variant of one, by the name that comparisons use."""
    found = {}
    for card in menu.values():
        found[card.name] = Variant(card.title, {})
        found |= {f"{card.name}:{name}": variant for name, variant in card.variants.items()}
    return found


def load(card: Card) -> Any:
    """The class behind a card; only now is its module (and torch) imported."""
    module, _, name = card.code.partition(":")
    return getattr(import_module(module), name)
