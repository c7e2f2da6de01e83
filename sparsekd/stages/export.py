"""The stage that exports a model: pruned, gated or as ONNX, checked before it is published."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sparsekd.catalog.stage_parameters import ExportParams
from sparsekd.checkpoints import WEIGHTS
from sparsekd.errors import BadInput
from sparsekd.models import exporting, loading
from sparsekd.models.exporting import Runner
from sparsekd.models.pruning import prune
from sparsekd.runs import masks, store
from sparsekd.runs.records import Outcome
from sparsekd.stages import modelcard
from sparsekd.stages.context import StageContext
from sparsekd.stages.inputs import model_folder
from sparsekd.system.files import disk_error
from sparsekd.units.masking import Mask

OnPhase = Callable[[str], None]
"""Receives the name of each phase; what it raises ends the export."""


@dataclass(frozen=True, eq=False)
class ExportSource:
    """A model to export, and the logits that every form of it must give.

    Attributes:
        pruned: The model without the units that were removed.
        mask: The units of the full model that are kept; None where that is not known.
        expected: Returns the logits that every form of the model must give.
        evaluated: Whether a run has evaluated this model; not if the mask was applied just now.
    """

    reference: str
    pruned: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    mask: Mask | None
    expected: Runner
    evaluated: bool

    def full_size(self) -> PreTrainedModel:
        """Return the same function at full size, with zeros for the removed units."""
        return exporting.widened(self.pruned, self.mask)


def load_source(reference: str, mask: Mask | None) -> ExportSource:
    """Load a stored model, and prune it by `mask` where one is given.

    Raises:
        Incompatible: the mask belongs to a model of another shape.
    """
    model, tokenizer = loading.load_saved(model_folder(reference))
    if mask is None:
        applied, expected = mask_of_run(reference), exporting.runner(model)
        return ExportSource(reference, model, tokenizer, applied, expected, evaluated=True)
    expected = exporting.gated_runner(model, mask)
    return ExportSource(reference, prune(model, mask), tokenizer, mask, expected, evaluated=False)


def mask_of_run(reference: str) -> Mask | None:
    """Load the mask of a pruning run; return None for any other model."""
    if ":" in reference or store.get(reference).recipe.stage != "prune":
        return None
    return Mask.load(store.folder(reference) / "mask.npz")


def run(context: StageContext) -> Outcome:
    """Export the recipe's model in the recipe's form to the run's folder `export`."""
    recipe = context.recipe
    mask_reference = recipe.inputs.get("mask")
    mask = masks.load(mask_reference) if mask_reference else None
    params = ExportParams.of(recipe.params["export"])
    out = context.folder / "export"
    for earlier in (out, *context.folder.glob(".*.export")):  # of an interrupted attempt
        shutil.rmtree(earlier, ignore_errors=True)

    def on_phase(phase: str) -> None:
        context.report(phase, 0, 1, now=True)
        context.raise_if_cancelled()

    return Outcome({}, export_model(recipe.inputs["model"], params, out, mask, on_phase))


def export_model(
    reference: str, params: ExportParams, out: Path, mask: Mask | None, on_phase: OnPhase
) -> dict[str, Any]:
    """Export to a new folder, atomically, and only if the logits agree; return the facts.

    Raises:
        BadInput: the folder is not empty; Incompatible: a mask of another shape.
    """
    out = out.absolute()
    _check_free(out)
    on_phase("loading")
    source = load_source(reference, mask)
    beside = out.with_name(f".{os.getpid()}.{out.name}")
    try:
        on_phase("writing")
        _write(source, params.format, beside)
        on_phase("checking")
        copied = exporting.reopened(beside, params.format)
        check = exporting.compare(source.pruned, source.expected, copied)
        facts = modelcard.facts(source.pruned, reference, params.format, source.mask, check)
        modelcard.write(beside, facts, source.evaluated)
        _publish(beside, out)
    except OSError as error:
        raise disk_error(out, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return _summary(out, facts)


def _write(source: ExportSource, form: str, folder: Path) -> None:
    model = source.full_size() if form == "gated" else source.pruned
    loading.save(model, exporting.fitting(source.tokenizer, model), folder)
    if form == "pruned":
        shutil.copyfile(exporting.LOADER, folder / exporting.LOADER.name)
    elif form == "onnx":
        (folder / WEIGHTS).unlink()  # the graph holds them
        exporting.to_onnx(model, folder / exporting.ONNX)


def _check_free(out: Path) -> None:
    if out.is_dir() and any(out.iterdir()):
        raise BadInput(
            f"{out} is not empty.", "Name a new folder: files of another export would mix in."
        )
    if out.exists() and not out.is_dir():
        raise BadInput(f"{out} is a file.", "Name a new folder.")


def _publish(beside: Path, out: Path) -> None:
    if out.is_dir():
        out.rmdir()
    beside.rename(out)


def _summary(out: Path, facts: dict[str, Any]) -> dict[str, Any]:
    size = sum(file.stat().st_size for file in out.iterdir())
    names = ("format", "parameters", "parameters_before", "checked")
    return {name: facts[name] for name in names} | {
        "bytes": size,
        "files": sorted(file.name for file in out.iterdir()),
    }
