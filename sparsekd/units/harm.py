"""What an ablation says of heads, groups of neurons and single neurons, as harm."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sparsekd.errors import Incompatible, unknown
from sparsekd.units.ablation import Ablation, Kind
from sparsekd.units.scores import Matrix

Measured = Literal["head", "group", "neuron"]

MEASURED: tuple[Measured, ...] = ("head", "group", "neuron")


@dataclass(frozen=True)
class Effect:
    """What removing one unit, or the group it is in, changed, and how that compares.

    `place` 1 is the most harmful of `of`; neurons in one group share its effect.
    """

    measured: Measured
    neurons: int
    changes: dict[Kind, float]
    places: dict[Kind, int]
    of: int


def units(ablation: Ablation) -> list[Measured]:
    """What was removed: heads and groups always, single neurons where asked for."""
    return [what for what in MEASURED if what != "neuron" or ablation.neuron_layer is not None]


def changes(ablation: Ablation, what: Measured, kind: Kind) -> Matrix:
    """Value with the removal minus without.

    Shapes: -> (L, H), (L, G) or, single neurons of one layer, (1, F).
    Raises:
        Incompatible: no single neurons were removed.
    """
    if what == "head":
        return ablation.heads(kind)
    if what == "group":
        return ablation.neuron_groups(kind)
    found = ablation.neurons(kind)
    if found is None:
        raise Incompatible(
            "This ablation removed no single neurons.", "Ablate one layer's: `ablate --layer`."
        )
    return found[None]


def harm(ablation: Ablation, what: Measured, kind: Kind) -> Matrix:
    """Changes with the sign turned so that high is bad: a metric falls, the others rise.

    Shapes: -> (L, H), (L, G) or (1, F).
    """
    change = changes(ablation, what, kind)
    return -change if kind == "metric" else change


def same_teacher(shape: tuple[int, int, int], ablation: Ablation) -> None:
    """Refuse scores and ablation of differently shaped teachers."""
    if shape != ablation.shape:
        raise Incompatible(
            f"The scores are of {_in_words(shape)}, the ablation of {_in_words(ablation.shape)}.",
            "Both must come from one teacher: ablate the teacher that was scored.",
        )


def of_unit(ablation: Ablation, unit: str, layer: int, index: int) -> Effect:
    """The effect of a head; of a neuron alone where that was measured, else of its group."""
    if unit not in ("head", "neuron"):
        raise unknown("unit", unit, ("head", "neuron"))
    what, place, neurons = _where(ablation, unit, layer, index)
    found = ablation.kinds
    harms = {kind: harm(ablation, what, kind) for kind in found}
    return Effect(
        measured=what,
        neurons=neurons,
        changes={kind: float(changes(ablation, what, kind)[place]) for kind in found},
        places={kind: 1 + int((harms[kind] > harms[kind][place]).sum()) for kind in found},
        of=harms["task_loss"].size,
    )


def _where(
    ablation: Ablation, unit: str, layer: int, index: int
) -> tuple[Measured, tuple[int, int], int]:
    """What stands for a unit, its cell, and how many neurons were removed with it."""
    if unit == "head":
        return "head", (layer, index), 0
    if ablation.neuron_layer == layer:
        return "neuron", (0, index), 1
    group = int(ablation.groups[layer, index])
    return "group", (layer, group), int(np.sum(ablation.groups[layer] == group))


def _in_words(shape: tuple[int, int, int]) -> str:
    return "{} layers of {} heads and {} neurons".format(*shape)
