"""The stage that prunes a teacher by a mask."""

from typing import Any

import numpy as np
from transformers import PreTrainedModel

from sparsekd.catalog import rankings
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.knowledge.rankings import from_weights
from sparsekd.models import pruning
from sparsekd.runs import store
from sparsekd.runs.records import Outcome, Recipe
from sparsekd.stages import inputs
from sparsekd.stages.context import StageContext
from sparsekd.stages.results import save_model
from sparsekd.units import masking
from sparsekd.units.masking import Mask
from sparsekd.units.scores import Scores


def run(context: StageContext) -> Outcome:
    """Prune a teacher by a mask, and save it as a model of its own."""
    teacher, splits = inputs.load_teacher(context)
    mask = _mask(context, teacher, MaskParams.of(context.recipe.params["mask"]))
    mask.save(context.folder / "mask.npz")
    return save_model(context, pruning.prune(teacher, mask), splits, counts(mask))


def counts(mask: Mask) -> dict[str, Any]:
    """Return how many units are kept, and which layers keep none (0 = bottom)."""
    return {
        "heads_kept": int(mask.heads.sum()),
        "heads": mask.heads.size,
        "neurons_kept": int(mask.neurons.sum()),
        "neurons": mask.neurons.size,
        "layers_without_heads": np.flatnonzero(~mask.heads.any(axis=1)).tolist(),
        "layers_without_neurons": np.flatnonzero(~mask.neurons.any(axis=1)).tolist(),
    }


def _mask(context: StageContext, teacher: PreTrainedModel, params: MaskParams) -> Mask:
    """Return the recipe's mask of a teacher."""
    recipe = context.recipe
    return masking.build(_ranked(recipe, teacher, params.kind), params, recipe.random_seed)


def _ranked(recipe: Recipe, teacher: PreTrainedModel, kind: str) -> Scores:
    """Return what ranks the units: a scoring run's file, or a ranking of the weights.

    A random mask only takes the shape and the provenance from it.
    """
    if kind == "scores":
        return Scores.load(store.folder(recipe.inputs["scores"]) / "scores.npz")
    weights = rankings.names("weights")
    name = kind if kind in weights else weights[0]
    return from_weights(name, teacher, recipe.inputs["teacher"])
