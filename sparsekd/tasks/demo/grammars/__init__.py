"""The demo tasks: one module each, with its `CARD`, its `ORDER` in the menu and `write`.

`write` takes a `Chooser` and returns one row: a tuple of one or two texts, and the label: an index
into the card's `labels`, 1 or 0 for each of them where the card is `multilabel`, or a number for
regression. It must be able to write 9 000 distinct rows of texts, equally many of each class.
"""

import pkgutil
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from sparsekd.errors import BadInput


def discover() -> dict[str, ModuleType]:
    """Return every module of this package by the name of its task, in the order of the menu."""
    return by_task(
        [import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)]
    )


def by_task(modules: Sequence[ModuleType]) -> dict[str, ModuleType]:
    """Return grammars by the name of their task, in the order of the menu.

    Raises:
        BadInput: two grammars have the same task name, or the same `ORDER`.
    """
    names: dict[object, ModuleType] = {}
    for module in modules:
        for key, value in (("task name", module.CARD.name), ("ORDER", module.ORDER)):
            other = names.setdefault((key, value), module)
            if other is not module:
                raise BadInput(
                    f"The grammars {other.__name__} and {module.__name__} have the same {key}, "
                    f"{value!r}.",
                    f"Change the {key} of one of them.",
                )
    return {module.CARD.name: module for module in sorted(modules, key=lambda each: each.ORDER)}


GRAMMARS = discover()
