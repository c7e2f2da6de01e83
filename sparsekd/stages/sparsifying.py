"""Stages about a teacher's units: score them, prune them, probe masks of them."""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from transformers import PreTrainedModel

from sparsekd.catalog.stage_parameters import MaskParams, ProbeParams, ScoreParams
from sparsekd.data import Encoded
from sparsekd.knowledge import masked, scores
from sparsekd.knowledge.evaluation import predict
from sparsekd.knowledge.gradients import PassOptions
from sparsekd.knowledge.magnitude import magnitude
from sparsekd.models import architectures
from sparsekd.models.pruning import prune as smaller
from sparsekd.runs import references, store
from sparsekd.runs.records import Outcome
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
    """Raw scores; where it fits, the Jacobian too, from which any other student is scored."""
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
    """The recipe's teacher, and its task in the teacher's tokens."""
    recipe = context.recipe
    context.report("loading", 0, 1, now=True)
    card = references.card(recipe.task)
    teacher, tokenizer = inputs.load_classifier(recipe.inputs["teacher"], card)
    limit_threads(teacher)
    return teacher, inputs.Splits(card, tokenizer, recipe.params["max_length"])


def _student_logits(context: StageContext, asked: inputs.Splits, split: str) -> np.ndarray:
    """The trial student's answers, read off its run where it left them to this very question."""
    reference = context.recipe.inputs["student"]
    left = left_by(reference, asked, split)
    if left is not None:
        return inputs.load_array(left)
    student, tokenizer = inputs.load_classifier(reference, asked.card)
    data = inputs.Splits(asked.card, tokenizer, asked.max_length)[split]
    return predict(
        student, data, context.device, context.progress_callback("trial student's answers")
    )


def left_by(reference: str, asked: inputs.Splits, split: str) -> Path | None:
    """The answers that a run left on the same task, read at the same length; None without any."""
    if ":" in reference:
        return None
    recipe = store.get(reference).recipe
    length = recipe.params.get("max_length") or recipe.params["train"]["max_length"]
    path = store.folder(reference) / f"logits-{split}.npy"
    same = (recipe.task, length) == (asked.card.name, asked.max_length)
    return path if same and path.exists() else None


def prune(context: StageContext) -> Outcome:
    """The teacher without what a mask removes, as a model of its own."""
    teacher, splits = teacher_of(context)
    mask = _mask(context, teacher, MaskParams.of(context.recipe.params["mask"]))
    mask.save(context.folder / "mask.npz")
    return save_model(context, smaller(teacher, mask), splits, counts(mask))


def counts(mask: Mask) -> dict[str, Any]:
    """How many units stay, and which layers lose all of them (0 = bottom)."""
    return {
        "heads_kept": int(mask.heads.sum()),
        "heads": mask.heads.size,
        "neurons_kept": int(mask.neurons.sum()),
        "neurons": mask.neurons.size,
        "layers_without_heads": np.flatnonzero(~mask.heads.any(axis=1)).tolist(),
        "layers_without_neurons": np.flatnonzero(~mask.neurons.any(axis=1)).tolist(),
    }


def _mask(context: StageContext, teacher: PreTrainedModel, params: MaskParams) -> Mask:
    if params.kind == "scores":
        path = store.folder(context.recipe.inputs["scores"]) / "scores.npz"
        return masking.from_scores(Scores.load(path), params)
    heads, neurons = magnitude(teacher)
    if params.kind == "random":
        shape = (*heads.shape, neurons.shape[1])
        seed = context.recipe.random_seed
        return masking.random_mask(
            shape, params.sparsity, seed, params.round_to, params.neuron_sparsity
        )
    return masking.decide(heads, neurons, params.sparsity, params.neuron_sparsity, params.round_to)


# --- probing ---------------------------------------------------------------------------------


def probe(context: StageContext) -> Outcome:
    """The masked teacher's quality and distance to the trial student, at each λ and sparsity."""
    params = ProbeParams.of(context.recipe.params["probe"])
    teacher, splits = teacher_of(context)
    data = splits["selection"]
    data = data.select(np.arange(min(params.examples, len(data))))
    student = _student_logits(context, splits, "selection")[: len(data)]
    found = Scores.load(store.folder(context.recipe.inputs["scores"]) / "scores.npz")
    points = list(_masks(found, magnitude(teacher), params))

    def hear(done: int, _total: int) -> None:
        context.report("masked teachers", done // len(data), len(points))
        context.raise_if_cancelled()

    hear(0, 0)
    masks = [mask for *_, mask in points]
    logits = masked.predict(teacher.to(context.device), data, masks, hear)
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
    found: Scores, sizes: tuple[np.ndarray, np.ndarray], params: ProbeParams
) -> Iterator[tuple[str, float | None, float, Mask]]:
    """Each ranking at each sparsity; a λ that is asked for twice appears once."""
    lams = [*params.lams, *((1.0, 0.0) if params.controls else ())]
    for lam in dict.fromkeys(lams):
        ranks = masking.knowledgeableness(found, lam, params.normalise)
        yield from _along(f"λ {lam:g}", lam, ranks, params)
    if params.controls:
        yield from _along("magnitude", None, sizes, params)
        draws = np.random.default_rng(0)
        chance = draws.random(sizes[0].shape), draws.random(sizes[1].shape)
        yield from _along("random", None, chance, params)


def _along(
    ranking: str, lam: float | None, ranks: tuple[np.ndarray, np.ndarray], params: ProbeParams
) -> Iterator[tuple[str, float | None, float, Mask]]:
    for sparsity in params.sparsities:
        mask = masking.decide(*ranks, sparsity, params.neuron_sparsity, params.round_to)
        yield ranking, lam, sparsity, mask
