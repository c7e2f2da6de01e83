"""The stage that scores a teacher's units."""

import dataclasses
from typing import Any

import numpy as np
from transformers import PreTrainedModel

from sparsekd.catalog.stage_parameters import ScoreParams
from sparsekd.data import Encoded
from sparsekd.errors import Incompatible
from sparsekd.knowledge import scores
from sparsekd.knowledge.gradients import PassOptions
from sparsekd.models import architectures
from sparsekd.models.devices import move
from sparsekd.runs.records import Outcome
from sparsekd.stages import inputs
from sparsekd.stages.context import StageContext
from sparsekd.stages.results import save_shape
from sparsekd.stages.supervision import labels_known_to
from sparsekd.units import jacobians
from sparsekd.units.rescoring import rescore
from sparsekd.units.scores import Scores

JACOBIAN_LIMIT = 2 * 2**30  # bytes that a run may keep for instant rescoring


def run(context: StageContext) -> Outcome:
    """Score every unit; keep the Jacobian where it fits, for scores of other students.

    Expressiveness is that on the gold labels that the trial student's training knew.

    Raises:
        Incompatible: it knew none on the split.
    """
    recipe, params = context.recipe, ScoreParams.of(context.recipe.params["score"])
    teacher, splits = inputs.load_teacher(context)
    labels = labels_known_to(recipe.inputs["student"], splits, params.split)
    data = splits[params.split].with_labels(labels)
    if not data.labelled.any():
        raise Incompatible(
            f"The split {params.split} has no gold label: expressiveness is a loss on them.",
            "Score on a split with labels.",
        )
    student = inputs.student_logits(context, splits, params.split)
    made_from = {"task": recipe.task, "inputs": recipe.inputs, "max_length": splits.max_length}
    found, kept = _scored(context, move(teacher, context.device), data, student, params, made_from)
    found.save(context.folder / "scores.npz")
    save_shape(context, teacher)
    layers, heads, neurons = found.shape
    facts = {"layers": layers, "heads": heads, "neurons": neurons, "examples": len(data)}
    return Outcome({}, facts | {"gold_labels": int(data.labelled.sum()), "jacobian": kept})


def _scored(
    context: StageContext,
    teacher: PreTrainedModel,
    data: Encoded,
    student: np.ndarray,
    params: ScoreParams,
    made_from: dict[str, Any],
) -> tuple[Scores, str]:
    options = PassOptions(
        on_progress=lambda done, of: context.report("gradients", done, of),
        should_stop=context.should_stop,
    )
    shape = architectures.shape(teacher)
    several = data.labels.ndim == 2
    size = jacobians.jacobian_bytes(len(data), shape.classes, shape.grid(), multilabel=several)
    if size <= JACOBIAN_LIMIT:
        jacobian = jacobians.build(
            context.folder / "jacobian",
            lambda rows: scores.jacobian(teacher, data, rows, options),
            data.labels,
            shape.classes,
            shape.grid(),
            provenance=made_from | {"split": params.split},
        )
        return rescore(jacobian, student, params), "kept"
    streamed = scores.stream(teacher, data, student, params, options)
    found = getattr(streamed, params.aggregate)
    why = f"not kept: {size / 2**30:.1f} GiB, more than {JACOBIAN_LIMIT / 2**30:.0f} GiB"
    return dataclasses.replace(found, provenance=found.provenance | made_from), why
