"""The catalogue of model families: one module each, with its `FAMILY`."""

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from sparsekd.catalog.family import Family
from sparsekd.errors import Incompatible

REFUSED: dict[str, str] = {
    "albert": "ALBERT shares one layer among all depths, so a unit is not a unit of one layer.",
    "deberta": "DeBERTa fuses query, key and value.",
    "deberta-v2": "DeBERTa's heads also score relative positions, which no mask or pruning covers.",
    "modernbert": "ModernBERT fuses query, key and value and gates its feed-forward block.",
    "mpnet": "MPNet adds one table of relative positions to the heads of all layers, which a layer "
    "with fewer heads cannot read.",
}


def discover() -> dict[str, Family]:
    """Return the family of every module in this package by its `model_type`, sorted by title."""
    modules = (import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__))
    found: list[Family] = [module.FAMILY for module in modules]
    return {family.name: family for family in sorted(found, key=lambda each: each.title.lower())}


FAMILIES = discover()


def find(name: str) -> Family:
    """Return the family of a `model_type`.

    Raises:
        Incompatible: models of this type are not supported.
    """
    if name not in FAMILIES:
        reason = REFUSED.get(name, f"Models of type {name!r} are not supported.")
        raise Incompatible(reason, f"Use a checkpoint of {titles()}.")
    return FAMILIES[name]


def titles() -> str:
    """Return the titles of all families as an enumeration."""
    *others, last = (family.title for family in FAMILIES.values())
    return f"{', '.join(others)} or {last}"


def depth(config: Mapping[str, Any]) -> int | None:
    """Return the number of layers that a config.json states; None for other kinds of models."""
    family = FAMILIES.get(str(config.get("model_type")))
    layers = config.get(family.depth) if family else None
    return int(layers) if layers else None


def word_marks() -> tuple[str, ...]:
    """Return the characters that mark a word's first token in some family's tokenizers."""
    return tuple({family.word_mark for family in FAMILIES.values()} - {""})
