"""Measured effects of removing units, as plain arrays on disk.

Heads are removed one at a time, a layer's neurons in groups ranked by a score, and the neurons of
one chosen layer one at a time on request. Every value is a change: with the removal minus
without.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from sparsekd.errors import BadInput
from sparsekd.system.arrays import load_arrays, save_arrays
from sparsekd.units.scores import Matrix

Measure = Literal["task_loss", "metric", "distance"]
Groups = NDArray[np.int16]

MEASURES: tuple[Measure, ...] = ("task_loss", "metric", "distance")
HEADS = tuple(f"head_{measure}" for measure in MEASURES)
GROUPS = tuple(f"group_{measure}" for measure in MEASURES)
NEURONS = tuple(f"neuron_{measure}" for measure in MEASURES)
RUN_AGAIN = "Run `ablate` again."


@dataclass(frozen=True, eq=False)
class Ablation:
    """Changes of task loss, metric and distance to the student when units are removed.

    `task_loss` above 0 and `metric` below 0: the removal harms. `distance` above 0: the teacher
    moves away from the student; it is mean KL(teacher ‖ student) at T = 2, and NaN where no
    student was given. `groups` numbers each neuron's group, 0 the lowest ranked; `dense` holds
    the three values of the dense teacher. `neuron_*` are of layer `neuron_layer`, if any.

    Shapes: head_* (L, H), group_* (L, G), groups (L, F), dense (3,), neuron_* (F,); G groups per
    layer.
    Raises:
        BadInput: shapes that do not belong together; changes that are NaN or infinite.
    """

    head_task_loss: Matrix
    head_metric: Matrix
    head_distance: Matrix
    group_task_loss: Matrix
    group_metric: Matrix
    group_distance: Matrix
    groups: Groups
    dense: NDArray[np.float64]
    neuron_layer: int | None = None
    neuron_task_loss: Matrix | None = None
    neuron_metric: Matrix | None = None
    neuron_distance: Matrix | None = None
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        layers = len(self.groups)
        _check(self, HEADS, (layers, self.head_task_loss.shape[-1]))
        _check(self, GROUPS, (layers, int(self.groups.max(initial=-1)) + 1))
        if self.neuron_layer is not None:
            _check(self, NEURONS, (self.groups.shape[1],))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Layers, heads per layer, neurons per layer."""
        layers, neurons = self.groups.shape
        return layers, self.head_task_loss.shape[1], neurons

    @property
    def metric(self) -> str:
        """The name of the task metric that was measured."""
        return str(self.provenance.get("metric", "metric"))

    @property
    def with_student(self) -> bool:
        """Whether the distance to a student was measured."""
        return bool(np.isfinite(self.dense[MEASURES.index("distance")]))

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The measures taken: without a student there is no distance."""
        return MEASURES if self.with_student else MEASURES[:2]

    def heads(self, measure: Measure) -> Matrix:
        """Return the change when each head is removed alone.

        Shapes: -> (L, H).
        """
        return np.asarray(getattr(self, f"head_{measure}"))

    def neuron_groups(self, measure: Measure) -> Matrix:
        """Return the change when each group of neurons is removed alone.

        Shapes: -> (L, G).
        """
        return np.asarray(getattr(self, f"group_{measure}"))

    def neurons(self, measure: Measure) -> Matrix | None:
        """Return the change when each neuron of `neuron_layer` is removed; None if unmeasured.

        Shapes: -> (F,).
        """
        values: Matrix | None = getattr(self, f"neuron_{measure}")
        return values

    def dense_value(self, measure: Measure) -> float:
        """Return the value of the dense teacher."""
        return float(self.dense[MEASURES.index(measure)])

    def save(self, path: Path) -> None:
        """Write the arrays and the provenance (JSON) to an npz file, in one step."""
        arrays = {name: getattr(self, name) for name in (*HEADS, *GROUPS, "groups", "dense")}
        if self.neuron_layer is not None:
            arrays |= {name: getattr(self, name) for name in NEURONS}
            arrays["neuron_layer"] = np.array(self.neuron_layer)
        save_arrays(path, arrays | {"provenance": np.array(json.dumps(self.provenance))})

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            NotFound, BadInput: no such file; no ablation in it; changes that are NaN or infinite.
        """
        needed = (*HEADS, *GROUPS, "groups", "dense", "provenance")
        known = load_arrays(
            path, needed, "an ablation.npz from `ablate`", (*NEURONS, "neuron_layer")
        )
        layer = known.pop("neuron_layer", None)
        try:
            provenance = json.loads(str(known.pop("provenance")))
        except json.JSONDecodeError as error:
            raise BadInput(f"{path}: its provenance is not JSON.", RUN_AGAIN) from error
        return cls(
            **known, neuron_layer=None if layer is None else int(layer), provenance=provenance
        )


def ranked_groups(ranks: Matrix, groups: int) -> Groups:
    """Divide each layer's neurons into groups of equal size (to one), group 0 the lowest ranked.

    Ties break by index, as in masks.

    Shapes: ranks (L, F) -> (L, F).
    Raises:
        BadInput: more groups than neurons.
    """
    width = ranks.shape[1]
    if not 1 <= groups <= width:
        raise BadInput(
            f"{groups} groups of {width} neurons.", f"Choose 1 to {width} neuron groups."
        )
    places = np.argsort(np.argsort(ranks, axis=1, kind="stable"), axis=1, kind="stable")
    numbered: Groups = (places * groups // width).astype(np.int16)
    return numbered


def _check(ablation: Ablation, names: tuple[str, ...], shape: tuple[int, ...]) -> None:
    """Refuse arrays of another shape; only a distance that was not measured may be NaN."""
    for name in names:
        values = getattr(ablation, name)
        if values is None or values.shape != shape:
            found = None if values is None else values.shape
            raise BadInput(f"{name} is of shape {found}, expected {shape}.", RUN_AGAIN)
        measured = ablation.with_student or not name.endswith("distance")
        if measured and not np.isfinite(values).all():
            raise BadInput(f"{name} holds values that are NaN or infinite.", RUN_AGAIN)
