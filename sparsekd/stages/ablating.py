"""The stage that removes units one by one: resumable batch by batch, cached by its recipe."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedModel

from sparsekd.catalog.stage_parameters import AblateParams
from sparsekd.errors import BadInput
from sparsekd.knowledge import ablation
from sparsekd.knowledge.evaluation import predict
from sparsekd.knowledge.magnitude import magnitude
from sparsekd.models import architectures
from sparsekd.runs import store
from sparsekd.runs.records import Outcome
from sparsekd.stages import inputs
from sparsekd.stages.context import StageContext
from sparsekd.stages.results import save_shape
from sparsekd.stages.sparsifying import left_by, teacher_of
from sparsekd.system.arrays import load_arrays, save_arrays
from sparsekd.system.files import disk_trouble
from sparsekd.tasks import TaskCard, metrics
from sparsekd.units import masking
from sparsekd.units.ablation import GROUPS, HEADS, MEASURES, NEURONS, Ablation, ranked_groups
from sparsekd.units.divergence import TEMPERATURE, distance
from sparsekd.units.scores import Scores

Array = NDArray[np.float32]


def ablate(context: StageContext) -> Outcome:
    """What removing each head, and each group of neurons, does to task and student."""
    params = AblateParams.of(context.recipe.params["ablate"])
    teacher, splits = teacher_of(context)
    rows = inputs.subsampled_rows(len(splits[params.split]), params.examples)
    data = splits[params.split].select(rows)
    grid = architectures.shape(teacher).grid()
    _check_layer(params, grid[0])
    groups = ranked_groups(_ranks(context, teacher, params), params.neuron_groups)
    student = _student(context, splits, params.split, rows)
    removals = _removals(grid, groups, params.neuron_layer)
    kept = KeptBatches(context.folder / "partial", len(removals))
    logits = ablation.ablate(teacher.to(context.device), data, removals, kept, _heard(context))
    values = measured(splits.card, logits, data.labels, student)
    found = _found(
        values, groups, grid, params, _made_from(context, params, splits.card, len(data))
    )
    found.save(context.folder / "ablation.npz")
    sizes = magnitude(teacher)
    by_size = Scores(sizes[0], sizes[0], sizes[1], sizes[1], {"score": "magnitude"})
    by_size.save(context.folder / "magnitude.npz")
    save_shape(context, teacher)
    kept.forget()
    layers, heads, neurons = grid
    facts = {"layers": layers, "heads": heads, "neurons": neurons, "examples": len(data)}
    dense = {kind: found.dense_value(kind) for kind in found.measures}
    return Outcome({}, facts | {"removals": len(removals), "dense": dense})


@dataclass(frozen=True)
class KeptBatches:
    """The logits of finished batches, a file for each, until the run is done.

    A batch counts only whole and with the same rows; on another device, which packs rows
    otherwise, it is computed again.
    """

    folder: Path
    removals: int

    def get(self, rows: NDArray[np.int64]) -> Array | None:
        """The logits of these rows from an earlier attempt at this run."""
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
        """Keep the logits of these rows."""
        save_arrays(self._path(rows), {"rows": rows, "logits": logits})

    def forget(self) -> None:
        """Remove all files: the run is done."""
        try:
            if self.folder.exists():
                shutil.rmtree(self.folder)
        except OSError as error:
            raise disk_trouble(self.folder, error) from error

    def _path(self, rows: NDArray[np.int64]) -> Path:
        return self.folder / f"{int(rows[0])}.npz"


def measured(card: TaskCard, logits: Array, labels: NDArray[Any], student: Array | None) -> Array:
    """Task loss, metric and distance to the student, of the whole teacher and of each removal.

    Shapes: logits (N, 1 + R, C), labels (N,), student (N, C) -> (1 + R, 3).
    Raises:
        BadInput: logits that are no numbers.
    """
    values = np.full((logits.shape[1], len(MEASURES)), np.nan)
    for place, each in enumerate(np.moveaxis(logits, 1, 0)):
        found = metrics.evaluate(card, each, labels)
        apart = np.nan if student is None else distance(each, student)
        values[place] = found["loss"], found[card.metrics[0]], apart
    return values


def _found(
    values: Array,
    groups: NDArray[np.int16],
    grid: tuple[int, int, int],
    params: AblateParams,
    made_from: dict[str, Any],
) -> Ablation:
    """Changes against the whole teacher, laid out by layer.

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
    """What ranks the neurons: K of the scores, or else the size of their weights.

    Shapes: -> (L, F).
    """
    scores = context.recipe.inputs.get("scores")
    if scores is None:
        return magnitude(teacher)[1]
    found = Scores.load(store.folder(scores) / "scores.npz")
    grid = architectures.shape(teacher).grid()
    if found.shape != grid:
        raise BadInput(
            f"The scores of run {scores} are of {found.shape} units, the teacher has {grid}.",
            "Choose scores of this teacher.",
        )
    return masking.knowledgeableness(found, params.lam)[1]


def _student(
    context: StageContext, asked: inputs.Splits, split: str, rows: NDArray[np.int64]
) -> Array | None:
    """The student's answers to these rows, read where its run left them; None without a student.

    Shapes: rows (N,) -> (N, C), N here the number of examples.
    """
    reference = context.recipe.inputs.get("student")
    if reference is None:
        return None
    left = left_by(reference, asked, split)
    if left is not None:
        known: Array = inputs.load_array(left)[rows]
        return known
    student, tokenizer = inputs.load_classifier(reference, asked.card)
    data = inputs.Splits(asked.card, tokenizer, asked.max_length)[split].select(rows)
    return predict(student, data, context.device, context.progress_callback("student's answers"))


def _check_layer(params: AblateParams, layers: int) -> None:
    if params.neuron_layer is not None and params.neuron_layer >= layers:
        raise BadInput(
            f"neuron_layer = {params.neuron_layer}: the teacher has {layers} layers.",
            f"Choose 0 to {layers - 1}.",
        )


def _heard(context: StageContext) -> ablation.OnProgress:
    """A listener that shows progress and stops the pass on request."""

    def hear(done: int, total: int, eta: float) -> None:
        context.report("removing units", done, total, eta=eta)
        context.raise_if_cancelled()

    return hear


def _made_from(
    context: StageContext, params: AblateParams, card: TaskCard, examples: int
) -> dict[str, Any]:
    recipe = context.recipe
    return params.values() | {
        "task": recipe.task,
        "inputs": recipe.inputs,
        "max_length": recipe.params["max_length"],
        "examples": examples,
        "metric": card.metrics[0],
        "ranked_by": "scores" if "scores" in recipe.inputs else "magnitude",
        "temperature": TEMPERATURE,
    }
