"""The stages that score a teacher's units, prune them, and probe masks of them."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from transformers import PreTrainedModel

from sparsekd.catalog import rankings
from sparsekd.catalog.stage_parameters import MaskParams, ProbeParams, ScoreParams
from sparsekd.data import Encoded
from sparsekd.knowledge import masked, scores
from sparsekd.knowledge.evaluation import predict
from sparsekd.knowledge.gradients import PassOptions
from sparsekd.knowledge.rankings import from_weights
from sparsekd.models import architectures, pruning
from sparsekd.runs import references, store
from sparsekd.runs.records import Outcome, Recipe
from sparsekd.stages import inputs
from sparsekd.stages.context import StageContext, limit_threads
from sparsekd.stages.results import save_model, save_shape
from sparsekd.system.files import replace
from sparsekd.tasks import metrics
from sparsekd.units import jacobians, masking
from sparsekd.units.divergence import distance
from sparsekd.units.masking import Mask
from sparsekd.units.rescoring import rescore
from sparsekd.units.scores import Scores

JACOBIAN_LIMIT = 2 * 2**30  # bytes that a run may keep for instant rescoring


def score(context: StageContext) -> Outcome:
    """Score every unit; keep the Jacobian where it fits, for scores of other students."""
    recipe, params = context.recipe, ScoreParams.of(context.recipe.params["score"])
    teacher, splits = teacher_of(context)
    data = splits[params.split]
    student = _student_logits(context, splits, params.split)
    made_from = {"task": recipe.task, "inputs": recipe.inputs, "max_length": splits.max_length}
    found, kept = _scored(context, teacher.to(context.device), data, student, params, made_from)
    found.save(context.folder / "scores.npz")
    save_shape(context, teacher)
    layers, heads, neurons = found.shape
    facts = {"layers": layers, "heads": heads, "neurons": neurons, "examples": len(data)}
    return Outcome({}, facts | {"jacobian": kept})


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
    size = jacobians.jacobian_bytes(len(data), shape.classes, shape.grid())
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


def teacher_of(context: StageContext) -> tuple[PreTrainedModel, inputs.Splits]:
    """Return the recipe's teacher, and the task's splits in the teacher's tokens."""
    recipe = context.recipe
    context.report("loading", 0, 1, now=True)
    card = references.card(recipe.task)
    teacher, tokenizer = inputs.load_classifier(recipe.inputs["teacher"], card)
    limit_threads(teacher)
    return teacher, inputs.Splits(card, tokenizer, recipe.params["max_length"])


def _student_logits(context: StageContext, splits: inputs.Splits, split: str) -> np.ndarray:
    """Return the trial student's logits, from the files of its run where they are of this split."""
    reference = context.recipe.inputs["student"]
    saved = saved_logits(reference, splits, split)
    if saved is not None:
        return inputs.load_array(saved)
    student, tokenizer = inputs.load_classifier(reference, splits.card)
    data = inputs.Splits(splits.card, tokenizer, splits.max_length)[split]
    return predict(
        student, data, context.device, context.progress_callback("trial student's logits")
    )


def saved_logits(reference: str, splits: inputs.Splits, split: str) -> Path | None:
    """Return the file of a run's logits on the same task at the same length; None without one."""
    if ":" in reference:
        return None
    recipe = store.get(reference).recipe
    length = recipe.params.get("max_length") or recipe.params["train"]["max_length"]
    path = store.folder(reference) / f"logits-{split}.npy"
    same = (recipe.task, length) == (splits.card.name, splits.max_length)
    return path if same and path.exists() else None


def prune(context: StageContext) -> Outcome:
    """Prune a teacher by a mask, and save it as a model of its own."""
    teacher, splits = teacher_of(context)
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


# --- probing ---------------------------------------------------------------------------------


def probe(context: StageContext) -> Outcome:
    """Measure masked teachers over λ and sparsity: quality, distance to the trial student."""
    params = ProbeParams.of(context.recipe.params["probe"])
    teacher, splits = teacher_of(context)
    data = splits["selection"]
    data = data.select(np.arange(min(params.examples, len(data))))
    student = _student_logits(context, splits, "selection")[: len(data)]
    found = Scores.load(store.folder(context.recipe.inputs["scores"]) / "scores.npz")
    points = list(_masks(found, teacher, params))

    def on_progress(done: int, _total: int) -> None:
        context.report("masked teachers", done // len(data), len(points))
        context.raise_if_cancelled()

    on_progress(0, 0)
    masks = [mask for *_, mask in points]
    logits = masked.predict(teacher.to(context.device), data, masks, on_progress)
    rows = [
        {"ranking": ranking, "lam": lam, "sparsity": sparsity}
        | metrics.evaluate(splits.card, answers, data.labels)
        | {"distance": distance(answers, student)}
        | {"heads": int(mask.heads.sum()), "neurons": int(mask.neurons.sum())}
        for (ranking, lam, sparsity, mask), answers in zip(points, logits, strict=True)
    ]
    table = pd.DataFrame(rows)
    replace(context.folder / "probe.parquet", lambda path: table.to_parquet(path))
    different = len(set(masked.Tree.of(masks).ends))
    return Outcome({}, {"masks": len(masks), "different": different, "examples": len(data)})


def _masks(
    found: Scores, teacher: PreTrainedModel, params: ProbeParams
) -> Iterator[tuple[str, float | None, float, Mask]]:
    """Yield each ranking at each sparsity; a λ that is listed twice appears once."""
    lams = [*params.lams, *((1.0, 0.0) if params.controls else ())]
    for lam in dict.fromkeys(lams):
        yield from _along(f"λ {lam:g}", lam, found, _mask_params(params, "scores", lam), params)
    for name in rankings.names("weights", "chance") if params.controls else ():
        origin = rankings.find(name).origin
        ranked = from_weights(name, teacher) if origin == "weights" else found
        yield from _along(name, None, ranked, _mask_params(params, name), params)


def _mask_params(params: ProbeParams, kind: str, lam: float = 0.5) -> MaskParams:
    """Return the parameters of the masks of one ranking, but for the sparsity."""
    shared = ("normalise", "neuron_sparsity", "round_to")
    values = {name: getattr(params, name) for name in shared}
    return MaskParams.of(values | {"kind": kind, "lam": lam})


def _along(
    name: str, lam: float | None, ranked: Scores, mask: MaskParams, params: ProbeParams
) -> Iterator[tuple[str, float | None, float, Mask]]:
    for sparsity in params.sparsities:
        yield name, lam, sparsity, masking.build(ranked, mask.changed({"sparsity": sparsity}))
