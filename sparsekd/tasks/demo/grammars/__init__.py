"""The demo tasks: one module each, with its `CARD`, its `ORDER` in the menu and `write`.

`write` takes a `Chooser` and returns one row: the texts and the label.
"""

import pkgutil
from importlib import import_module
from types import ModuleType


def discover() -> dict[str, ModuleType]:
    """Return every module of this package by the name of its task, in the order of the menu."""
    modules = [import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)]
    return {module.CARD.name: module for module in sorted(modules, key=lambda each: each.ORDER)}


GRAMMARS = discover()
