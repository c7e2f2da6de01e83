"""Distillation methods: one file each, with its card in `sparsekd/catalog/methods`."""

from importlib import import_module

from sparsekd.catalog.method_card import MethodCard
from sparsekd.methods.base import BatchOutputs, Method, Setup, StepResult, TrainingProgress

__all__ = ["BatchOutputs", "Method", "Setup", "StepResult", "TrainingProgress", "load"]


def load(card: MethodCard) -> type[Method]:
    """Return the one `Method` subclass that `sparsekd/methods/<card.name>.py` defines.

    Raises:
        TypeError: the module defines none, or several.
    """
    module = import_module(f"{__name__}.{card.name}")
    found = [
        each
        for each in vars(module).values()
        if isinstance(each, type)
        and issubclass(each, Method)
        and each.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(f"{module.__name__} must define one Method, not {len(found)}.")
    return found[0]
