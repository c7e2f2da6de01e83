"""The catalogue of distillation methods: one module each, with its parameters and its `CARD`."""

import pkgutil
from collections import ChainMap
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from sparsekd.catalog.baselines import BASELINES
from sparsekd.catalog.method_card import MethodCard, Variant
from sparsekd.errors import unknown


def discover() -> dict[str, MethodCard]:
    """Return the card of every module in this package, by name.

    Sorted by the number of teachers, the year of the source and the name.
    """
    modules = (import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__))
    cards: list[MethodCard] = [module.CARD for module in modules]
    cards.sort(key=lambda card: (card.least_teachers, card.year, card.name))
    return {card.name: card for card in cards}


METHODS = discover()
COMPARED = ChainMap(BASELINES, METHODS)  # in the order of methods, then baselines
"""What a comparison can name: methods, and baselines that are no students."""


def find(name: str) -> MethodCard:
    """Return the card of the method `name`.

    Raises:
        NotFound: no method has that name; the nearest names are in the hint.
    """
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    return METHODS[name]


def title(name: str) -> str:
    """Return the title of a stored method or baseline, or its name where it is not known here."""
    return COMPARED[name].title if name in COMPARED else name


def trained_as(name: str, values: Mapping[str, Any]) -> str:
    """Return the title of the variant that parameters make of a method, else of the method."""
    for variant in METHODS[name].variants.values() if name in METHODS else ():
        if not variant.start and variant.values.items() <= values.items():
            return variant.title
    return title(name)


def variants() -> dict[str, Variant]:
    """Return every method, variant and baseline, by the name that comparisons use."""
    found = {}
    for card in COMPARED.values():
        found[card.name] = Variant(card.title, {})
        found |= {f"{card.name}:{name}": variant for name, variant in card.variants.items()}
    return found
