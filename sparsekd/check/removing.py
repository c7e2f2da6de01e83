"""Steps that remove units: prune, probe grid, ablation, and the exports of a pruned model."""

from collections.abc import Iterator
from importlib.util import find_spec
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from sparsekd.catalog.stage_parameters import AblateParams, ExportParams, MaskParams, ProbeParams
from sparsekd.check import Difference, NotRun
from sparsekd.check.differences import regime, relative
from sparsekd.check.training import answers, differences
from sparsekd.check.workshop import LENGTH, Workshop
from sparsekd.knowledge import masked
from sparsekd.knowledge.evaluation import predict
from sparsekd.models import architectures, exporting, pruning
from sparsekd.runs import store
from sparsekd.studies import recipes
from sparsekd.units import masking
from sparsekd.units.ablation import Ablation
from sparsekd.units.masking import Mask
from sparsekd.units.scores import Scores

EXAMPLES = 32
ONNX = ("onnx", "onnxscript", "onnxruntime")


def prune(shop: Workshop) -> Iterator[Difference]:
    """Prune half of the teacher's units, and evaluate the smaller model."""
    ours, theirs = shop.both(shop.prune_recipe(), answers)
    yield from differences(ours, theirs, regime(shop.device))


def empty_layers(shop: Workshop) -> Iterator[Difference]:
    """Run a model without heads in one layer and without neurons in another, with gradients.

    Fused attention kernels refuse empty inputs.
    """

    def logits_and_gradient(device: str) -> tuple[np.ndarray, np.ndarray]:
        teacher, tokenizer = shop.load(shop.teacher, device)
        full = Mask.full(architectures.shape(teacher).grid())
        full.heads[0], full.neurons[1] = False, False
        smaller = pruning.prune(teacher, full)
        data = shop.data(tokenizer)
        batch = data.batch(np.arange(8), device)
        loss = F.cross_entropy(smaller(**batch.inputs(smaller)).logits, batch.labels)
        (slope,) = torch.autograd.grad(loss, [architectures.classifier(smaller).weight])
        return predict(smaller, data, device), slope.cpu().numpy()

    ours, theirs = shop.compute(logits_and_gradient)
    yield relative("logits", ours[0], theirs[0], regime(shop.device))
    yield relative("gradient", ours[1], theirs[1], regime(shop.device))


def probe(shop: Workshop) -> Iterator[Difference]:
    """Evaluate a grid of masked teachers."""
    params = ProbeParams(sparsities=(0.3, 0.6), examples=EXAMPLES)
    names = (shop.card.name, shop.teacher, shop.student, shop.scores)
    recipe = recipes.probe(*names, params, LENGTH)
    ours, theirs = shop.both(recipe, lambda folder: pd.read_parquet(folder / "probe.parquet"))
    for column in ("loss", "distance"):
        one, other = (each[column].to_numpy() for each in (ours, theirs))
        yield relative(column, one, other, regime(shop.device))


def masked_teachers(shop: Workshop, strategy: masked.Strategy) -> Iterator[Difference]:
    """Compute logits under several masks by one strategy."""
    found = Scores.load(store.folder(shop.scores) / "scores.npz")
    masks = [masking.build(found, MaskParams(sparsity=sparsity)) for sparsity in (0.2, 0.5, 0.9)]

    def logits(device: str) -> np.ndarray:
        teacher, tokenizer = shop.load(shop.teacher, device)
        some = shop.data(tokenizer).select(np.arange(EXAMPLES))
        return masked.predict(teacher, some, masks, strategy=strategy)

    yield relative("logits", *shop.compute(logits), regime(shop.device))


def ablate(shop: Workshop) -> Iterator[Difference]:
    """Remove every head and every group of neurons in turn."""
    names = (shop.student, shop.scores)
    recipe = recipes.ablate(
        shop.card.name, shop.teacher, AblateParams(examples=EXAMPLES), LENGTH, *names
    )
    ours, theirs = shop.both(recipe, lambda folder: Ablation.load(folder / "ablation.npz"))
    how = regime(shop.device)
    for kind in ("head", "group"):
        for measure in ("task_loss", "distance"):
            one, other = (getattr(each, f"{kind}_{measure}") for each in (ours, theirs))
            yield relative(f"{kind} {measure}".replace("_", " "), one, other, how)


def export(shop: Workshop, form: Literal["pruned", "gated", "onnx"]) -> Iterator[Difference]:
    """Export the model that the device has pruned; the export is read back and compared."""
    missing = [name for name in ONNX if form == "onnx" and find_spec(name) is None]
    if missing:
        raise NotRun(f"{', '.join(missing)} is not installed")
    model = shop.on_device(shop.prune_recipe())
    run = shop.on_device(recipes.export(shop.card.name, model.id, ExportParams(format=form)))
    found = float(run.outcome.facts["checked"]["largest_difference"])
    reason = "an export adds in another order; a larger difference is refused"
    yield Difference("logits: largest difference", found, exporting.TOLERANCE, reason)
