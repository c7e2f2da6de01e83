"""The stage that removes units one by one; it resumes after the last finished batch."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from sparsekd.catalog import rankings
from sparsekd.catalog.stage_parameters import AblateParams
from sparsekd.errors import BadInput
from sparsekd.knowledge import ablation
from sparsekd.knowledge.rankings import from_weights
from sparsekd.models import architectures
from sparsekd.models.devices import move
from sparsekd.runs import store
from sparsekd.runs.records import Outcome
from sparsekd.stages import inputs
from sparsekd.stages.context import StageContext
from sparsekd.stages.results import save_shape
from sparsekd.system.arrays import load_arrays, save_arrays
from sparsekd.system.files import disk_error
from sparsekd.tasks import TaskCard, metrics
from sparsekd.tasks.splits import subsampled_rows
from sparsekd.units import masking
from sparsekd.units.ablation import GROUPS, HEADS, MEASURES, NEURONS, Ablation, ranked_groups
from sparsekd.units.divergence import TEMPERATURE, distance
from sparsekd.units.scores import Scores

Array = NDArray[np.float32]


def run(context: StageContext) -> Outcome:
    """Measure the effect of removing each head and each group of neurons on task and student."""
    params = AblateParams.of(context.recipe.params["ablate"])
    teacher, splits = inputs.load_teacher(context)
    rows = subsampled_rows(len(splits[params.split]), params.examples)
    data = splits[params.split].select(rows)
    grid = architectures.shape(teacher).grid()
    _check_layer(params, grid[0])
    groups = ranked_groups(_ranks(context, teacher, params), params.neuron_groups)
    student = None
    if "student" in context.recipe.inputs:
        student = inputs.student_logits(context, splits, params.split, rows)
    removals = _removals(grid, groups, params.neuron_layer)
    cache = BatchFiles(context.folder / "partial", len(removals))
    logits = ablation.ablate(
        move(teacher, context.device), data, removals, cache, _progress_callback(context)
    )
    values = evaluate_removals(splits.card, logits, data.labels, student)
    found = _ablation(
        values, groups, grid, params, _provenance(context, params, splits.card, len(data))
    )
    found.save(context.folder / "ablation.npz")
    for name in rankings.names("weights"):
        ranked = from_weights(name, teacher, context.recipe.inputs["teacher"])
        ranked.save(context.folder / f"{name}.npz")
    save_shape(context, teacher)
    cache.delete()
    layers, heads, neurons = grid
    facts = {"layers": layers, "heads": heads, "neurons": neurons, "examples": len(data)}
    dense = {kind: found.dense_value(kind) for kind in found.measures}
    return Outcome({}, facts | {"removals": len(removals), "dense": dense})


@dataclass(frozen=True)
class BatchFiles:
    """The logits of finished batches, one file each, until the run is done.

    A file counts only if it holds the same rows; a device that batches rows differently computes
    them again.
    """

    folder: Path
    removals: int

    def get(self, rows: NDArray[np.int64]) -> Array | None:
        """Return the logits of these rows from an earlier attempt at this run."""
        path = self._path(rows)
        if not path.exists():
            return None
        try:
            known = load_arrays(path, ("rows", "logits"), "a batch of an unfinished ablation")
        except BadInput as error:
            raise BadInput(error.message, "Delete it; the run then computes it again.") from error
        logits: Array = known["logits"]
        same = np.array_equal(known["rows"], rows) and logits.shape[1] == 1 + self.removals
        return logits if same else None

    def put(self, rows: NDArray[np.int64], logits: Array) -> None:
        """Write the logits of these rows."""
        save_arrays(self._path(rows), {"rows": rows, "logits": logits})

    def delete(self) -> None:
        """Remove all files: the run is done."""
        try:
            if self.folder.exists():
                shutil.rmtree(self.folder)
        except OSError as error:
            raise disk_error(self.folder, error) from error

    def _path(self, rows: NDArray[np.int64]) -> Path:
        return self.folder / f"{int(rows[0])}.npz"


def evaluate_removals(
    card: TaskCard, logits: Array, labels: NDArray[Any], student: Array | None
) -> Array:
    """Return task loss, metric and distance to the student: dense teacher, then each removal.

    Shapes: logits (N, 1 + R, C), labels (N,) or (N, C), student (N, C) -> (1 + R, 3).
    Raises:
        BadInput: NaN or infinite logits.
    """
    values = np.full((logits.shape[1], len(MEASURES)), np.nan)
    for place, each in enumerate(np.moveaxis(logits, 1, 0)):
        found = metrics.evaluate(card, each, labels)
        apart = np.nan if student is None else distance(each, student, card.multilabel)
        values[place] = found["loss"], found[card.metrics[0]], apart
    return values


def _ablation(
    values: Array,
    groups: NDArray[np.int16],
    grid: tuple[int, int, int],
    params: AblateParams,
    made_from: dict[str, Any],
) -> Ablation:
    """Return the changes against the dense teacher, arranged by layer.

    Shapes: values (1 + R, 3), groups (L, F).
    """
    layers, heads, _ = grid
    changes = (values[1:] - values[0]).astype(np.float32)
    of_heads, of_groups, singly = np.split(
        changes, np.cumsum([layers * heads, layers * params.neuron_groups])
    )
    arrays = _named(HEADS, of_heads.reshape(layers, heads, 3))
    arrays |= _named(GROUPS, of_groups.reshape(layers, params.neuron_groups, 3))
    if params.neuron_layer is not None:
        arrays |= _named(NEURONS, singly)
    return Ablation(
        **arrays,
        groups=groups,
        dense=values[0],
        neuron_layer=params.neuron_layer,
        provenance=made_from,
    )


def _named(names: tuple[str, ...], changes: Array) -> dict[str, Any]:
    return {name: changes[..., place] for place, name in enumerate(names)}


def _removals(
    grid: tuple[int, int, int], groups: NDArray[np.int16], layer: int | None
) -> list[ablation.Removal]:
    singly = [] if layer is None else ablation.single_neurons(layer, grid[2])
    return [*ablation.single_heads(grid), *ablation.neuron_groups(groups), *singly]


def _ranks(context: StageContext, teacher: PreTrainedModel, params: AblateParams) -> NDArray[Any]:
    """Return what ranks the neurons: K of the scores, or a ranking of the weights.

    Shapes: -> (L, F).
    """
    scores = context.recipe.inputs.get("scores")
    if scores is None:
        return from_weights(params.ranking, teacher).neuron_expressiveness
    found = Scores.load(store.folder(scores) / "scores.npz")
    grid = architectures.shape(teacher).grid()
    if found.shape != grid:
        raise BadInput(
            f"The scores of run {scores} are of {found.shape} units, the teacher has {grid}.",
            "Choose scores of this teacher.",
        )
    return masking.knowledgeableness(found, params.lam)[1]


def _check_layer(params: AblateParams, layers: int) -> None:
    if params.neuron_layer is not None and params.neuron_layer >= layers:
        raise BadInput(
            f"neuron_layer = {params.neuron_layer}: the teacher has {layers} layers.",
            f"Choose 0 to {layers - 1}.",
        )


def _progress_callback(context: StageContext) -> ablation.OnProgress:
    """Return a callback that reports progress and ends the pass when the run is cancelled."""

    def on_progress(done: int, total: int, eta: float) -> None:
        context.report("removing units", done, total, eta=eta)
        context.raise_if_cancelled()

    return on_progress


def _provenance(
    context: StageContext, params: AblateParams, card: TaskCard, examples: int
) -> dict[str, Any]:
    recipe = context.recipe
    return params.values() | {
        "task": recipe.task,
        "inputs": recipe.inputs,
        "max_length": recipe.params["max_length"],
        "examples": examples,
        "metric": card.metrics[0],
        "ranked_by": "scores" if "scores" in recipe.inputs else params.ranking,
        "temperature": TEMPERATURE,
    }
