"""The stage that measures speed and size of a model: dense, masked and pruned, side by side."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from transformers import PreTrainedModel

from sparsekd.catalog.stage_parameters import MeasureParams
from sparsekd.checkpoints import WEIGHTS
from sparsekd.models import architectures, exporting, loading
from sparsekd.models.devices import move
from sparsekd.models.memory import enough_memory
from sparsekd.models.timing import forward_times, full_inputs
from sparsekd.runs import jobs, masks, measurements, references
from sparsekd.runs.records import Outcome
from sparsekd.stages.context import StageContext, limit_threads
from sparsekd.stages.export import ExportSource, load_source
from sparsekd.stages.inputs import model_folder
from sparsekd.units import shape
from sparsekd.units.masking import Mask

HINT = "Measure smaller batches or shorter texts."
Variants = dict[str, PreTrainedModel]


def run(context: StageContext) -> Outcome:
    """Measure latency, throughput, speed-up, size and operations at each batch size and length."""
    recipe = context.recipe
    context.report("loading", 0, 1, now=True)
    params = MeasureParams.of(recipe.params["measure"])
    mask = recipe.inputs.get("mask")
    source = load_source(recipe.inputs["model"], masks.load(mask) if mask else None)
    limit_threads(source.pruned)
    models = variants(source)
    check = _check(models, source.mask)
    for tokens in params.tokens:  # an error now, not after the shorter ones
        full_inputs(source.pruned, 1, tokens)
    load = os.getloadavg()[0]
    with enough_memory(HINT):
        # Not context.device: a resumed run may get another than the recipe names.
        rows = _rows(context, models, params, recipe.params["device"])
    measurements.save(context.folder, rows)
    facts = _conditions(recipe.params["device"], params)
    return Outcome({}, facts | {"load": load, "checked": check})


def variants(source: ExportSource) -> Variants:
    """Return the model dense, masked and pruned, as far as these differ, in eval mode.

    Masked is the gated export: full size, with zeros.
    """
    full = exporting.full_shape(source.pruned.config) == architectures.shape(source.pruned)
    if source.mask is None and full:
        return {"dense": source.pruned}
    dense = {} if source.mask is None else {"dense": _dense(source)}
    return dense | {"masked": source.full_size(), "pruned": source.pruned}


def _dense(source: ExportSource) -> PreTrainedModel:
    model, _ = loading.load_saved(model_folder(references.dense(source.reference)))
    return model


def _check(models: Variants, mask: Mask | None) -> dict[str, Any] | None:
    """Compare the logits of masked and pruned with those of the gated dense model, if known.

    Raises:
        Incompatible: they differ.
    """
    if "masked" not in models:
        return None
    expected = exporting.runner(models["pruned"])
    if mask is not None:
        expected = exporting.gated_runner(models["dense"], mask)
    pairs = [
        exporting.compare(models["pruned"], expected, exporting.runner(models[name]))
        for name in ("masked", "pruned")
    ]
    return max(pairs, key=lambda pair: float(pair["largest_difference"]))


def _rows(
    context: StageContext, models: Variants, params: MeasureParams, device: str
) -> pd.DataFrame:
    sizes = {name: _facts(model) for name, model in models.items()}
    for model in models.values():
        move(model, device).eval()
    settings = [(batch, tokens) for tokens in params.tokens for batch in params.batch_sizes]
    rows, done, total = [], 0, len(settings) * params.rounds

    def on_round() -> None:
        nonlocal done
        done += 1
        context.report("forward passes", done, total)
        context.raise_if_cancelled()

    for batch, tokens in settings:
        seconds = forward_times(models, batch, tokens, params.rounds, on_round)
        first = next(iter(seconds.values()))
        for name, each in seconds.items():
            flops = shape.flops(architectures.shape(models[name]), tokens)
            setting = {"variant": name, "batch": batch, "tokens": tokens, "flops": flops}
            rows.append(setting | _speed(each, first, batch) | sizes[name])
    return pd.DataFrame(rows)


def _speed(
    seconds: NDArray[np.float64], first: NDArray[np.float64], batch: int
) -> dict[str, float]:
    """Return the quartiles of the times, and of the speed-ups over the first variant's times."""
    low, middle, high = np.quantile(seconds, (0.25, 0.5, 0.75))
    slower, ratio, faster = np.quantile(first / seconds, (0.25, 0.5, 0.75))
    return {
        "milliseconds": 1e3 * middle,
        "low": 1e3 * low,
        "high": 1e3 * high,
        "examples_per_second": batch / middle,
        "speedup": ratio,
        "speedup_low": slower,
        "speedup_high": faster,
    }


def _facts(model: PreTrainedModel) -> dict[str, int]:
    """Return the number of parameters, and the size of the weights file when it is written."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / WEIGHTS
        save_file({name: each.contiguous() for name, each in model.state_dict().items()}, path)
        size = path.stat().st_size
    return {"parameters": sum(each.numel() for each in model.parameters()), "bytes": size}


def _conditions(device: str, params: MeasureParams) -> dict[str, Any]:
    words = {each.name: each.words for each in jobs.devices(detect=False)}
    return {
        "device": device,
        "device_words": words.get(device, device),
        "threads": torch.get_num_threads(),
        "torch": str(torch.__version__),
        "rounds": params.rounds,
    }
