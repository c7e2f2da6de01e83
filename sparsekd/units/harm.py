"""Effects of removing heads, groups of neurons and single neurons, signed so that high is harm."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from sparsekd.errors import Incompatible, unknown
from sparsekd.units.ablation import Ablation, Measure
from sparsekd.units.scores import Matrix

Granularity = Literal["head", "group", "neuron"]

GRANULARITIES: tuple[Granularity, ...] = ("head", "group", "neuron")


@dataclass(frozen=True)
class Effect:
    """The changes caused by removing one unit, or its group, and their ranks.

    `places` counts from 1, the most harmful of `of`; neurons of one group share its effect.
    """

    measured: Granularity
    neurons: int
    changes: dict[Measure, float]
    places: dict[Measure, int]
    of: int


def granularities(ablation: Ablation) -> list[Granularity]:
    """Return what was removed: heads and groups always, single neurons on request."""
    return [each for each in GRANULARITIES if each != "neuron" or ablation.neuron_layer is not None]


def changes(ablation: Ablation, granularity: Granularity, measure: Measure) -> Matrix:
    """Return the values with each removal minus the value without.

    Shapes: -> (L, H), (L, G) or, single neurons of one layer, (1, F).
    Raises:
        Incompatible: no single neurons were removed.
    """
    if granularity == "head":
        return ablation.heads(measure)
    if granularity == "group":
        return ablation.neuron_groups(measure)
    found = ablation.neurons(measure)
    if found is None:
        raise Incompatible(
            "This ablation removed no single neurons.", "Ablate one layer's: `ablate --layer`."
        )
    return found[None]


def harms(ablation: Ablation, granularity: Granularity, measure: Measure) -> Matrix:
    """Return changes signed so that high is harm: the fall of a metric, the rise of the others.

    Shapes: -> (L, H), (L, G) or (1, F).
    """
    change = changes(ablation, granularity, measure)
    return -change if measure == "metric" else change


def check_same_teacher(shape: tuple[int, int, int], ablation: Ablation) -> None:
    """Refuse scores and ablation of differently shaped teachers.

    Raises:
        Incompatible: the shapes differ.
    """
    if shape != ablation.shape:
        raise Incompatible(
            f"The scores are of {_in_words(shape)}, the ablation of {_in_words(ablation.shape)}.",
            "Both must come from one teacher: ablate the teacher that was scored.",
        )


def of_unit(ablation: Ablation, unit: str, layer: int, index: int) -> Effect:
    """Return the effect of a head or neuron; of the neuron's group where it was not removed alone.

    Raises:
        NotFound: `unit` is neither "head" nor "neuron".
    """
    if unit not in ("head", "neuron"):
        raise unknown("unit", unit, ("head", "neuron"))
    granularity, cell, neurons = _cell(ablation, unit, layer, index)
    signed = {measure: harms(ablation, granularity, measure) for measure in ablation.measures}
    return Effect(
        measured=granularity,
        neurons=neurons,
        changes={each: float(changes(ablation, granularity, each)[cell]) for each in signed},
        places={each: 1 + int((harm > harm[cell]).sum()) for each, harm in signed.items()},
        of=signed["task_loss"].size,
    )


def _cell(
    ablation: Ablation, unit: str, layer: int, index: int
) -> tuple[Granularity, tuple[int, int], int]:
    """Return the finest removal that has the unit, its cell, and how many neurons it removed."""
    if unit == "head":
        return "head", (layer, index), 0
    if ablation.neuron_layer == layer:
        return "neuron", (0, index), 1
    group = int(ablation.groups[layer, index])
    return "group", (layer, group), int(np.sum(ablation.groups[layer] == group))


def _in_words(shape: tuple[int, int, int]) -> str:
    return "{} layers of {} heads and {} neurons".format(*shape)
