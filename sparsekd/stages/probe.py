"""The stage that evaluates masked teachers over λ and sparsity."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from transformers import PreTrainedModel

from sparsekd.catalog import rankings
from sparsekd.catalog.stage_parameters import MaskParams, ProbeParams
from sparsekd.knowledge import masked
from sparsekd.knowledge.mask_tree import Tree
from sparsekd.knowledge.rankings import from_weights
from sparsekd.models.devices import move
from sparsekd.runs import store
from sparsekd.runs.records import Outcome
from sparsekd.stages import inputs
from sparsekd.stages.context import StageContext
from sparsekd.system.files import atomic_write
from sparsekd.tasks import metrics
from sparsekd.units import masking
from sparsekd.units.divergence import distance
from sparsekd.units.masking import Mask
from sparsekd.units.scores import Scores


def run(context: StageContext) -> Outcome:
    """Measure masked teachers over λ and sparsity: quality, distance to the trial student."""
    params = ProbeParams.of(context.recipe.params["probe"])
    teacher, splits = inputs.load_teacher(context)
    data = splits["selection"]
    data = data.select(np.arange(min(params.examples, len(data))))
    student = inputs.student_logits(context, splits, "selection")[: len(data)]
    found = Scores.load(store.folder(context.recipe.inputs["scores"]) / "scores.npz")
    points = list(_masks(found, teacher, params))

    def on_progress(done: int, _total: int) -> None:
        context.report("masked teachers", done // len(data), len(points))
        context.raise_if_cancelled()

    on_progress(0, 0)
    masks = [mask for *_, mask in points]
    logits = masked.predict(move(teacher, context.device), data, masks, on_progress)
    rows = [
        {"ranking": ranking, "lam": lam, "sparsity": sparsity}
        | metrics.evaluate(splits.card, answers, data.labels)
        | {"distance": distance(answers, student, splits.card.multilabel)}
        | {"heads": int(mask.heads.sum()), "neurons": int(mask.neurons.sum())}
        for (ranking, lam, sparsity, mask), answers in zip(points, logits, strict=True)
    ]
    table = pd.DataFrame(rows)
    atomic_write(context.folder / "probe.parquet", lambda path: table.to_parquet(path))
    different = len(set(Tree.of(masks).ends))
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
