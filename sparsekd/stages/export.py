"""The stage that takes a model elsewhere: pruned, gated or as ONNX, checked before it is kept."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sparsekd.catalog.stage_parameters import ExportParams
from sparsekd.errors import BadInput
from sparsekd.models import checkpoints, exporting, loading
from sparsekd.models.exporting import Runner
from sparsekd.models.pruning import prune
from sparsekd.runs import masks, store
from sparsekd.runs.records import Outcome
from sparsekd.stages import modelcard
from sparsekd.stages.context import StageContext
from sparsekd.stages.inputs import model_folder
from sparsekd.system.files import disk_trouble
from sparsekd.units.masking import Mask

Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Source:
    """What goes out, and what it must agree with.

    Attributes:
        smaller: The model without the units that were removed.
        mask: Which units of the full model it has; None where that is not known.
        known: The logits that every form of it must give.
        fresh: The mask was applied just now, so that no run has evaluated the result.
    """

    reference: str
    smaller: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    mask: Mask | None
    known: Runner
    fresh: bool

    def wide(self) -> PreTrainedModel:
        """The same function at full size, with zeros."""
        return exporting.widened(self.smaller, self.mask)


def source(reference: str, mask: Mask | None) -> Source:
    """A stored model, pruned by `mask` where one is given.

    Raises:
        Incompatible: the mask belongs to a model of another shape.
    """
    model, tokenizer = loading.load_saved(model_folder(reference))
    if mask is None:
        known = exporting.runner(model)
        return Source(reference, model, tokenizer, pruned_by(reference), known, fresh=False)
    known = exporting.gated_runner(model, mask)
    return Source(reference, prune(model, mask), tokenizer, mask, known, fresh=True)


def pruned_by(reference: str) -> Mask | None:
    """The mask that a pruning run left; None for any other model."""
    if ":" in reference or store.get(reference).recipe.stage != "prune":
        return None
    return Mask.load(store.folder(reference) / "mask.npz")


def run(context: StageContext) -> Outcome:
    """The recipe's model in the recipe's form, in the run's folder `export`."""
    recipe = context.recipe
    named = recipe.inputs.get("mask")
    mask = masks.kept(named) if named else None
    params = ExportParams.of(recipe.params["export"])
    out = context.folder / "export"
    for left in (out, *context.folder.glob(".*.export")):  # by an attempt that was interrupted
        shutil.rmtree(left, ignore_errors=True)

    def say(phase: str) -> None:
        context.report(phase, 0, 1, now=True)
        context.raise_if_cancelled()

    return Outcome({}, export_model(recipe.inputs["model"], params, out, mask, say))


def export_model(
    reference: str, params: ExportParams, out: Path, mask: Mask | None, say: Say
) -> dict[str, Any]:
    """Write one export to a new folder, which appears whole, and only if its logits are right.

    Raises:
        BadInput: the folder holds something; Incompatible: a mask of another shape.
    """
    out = out.absolute()
    _check_free(out)
    say("loading")
    found = source(reference, mask)
    beside = out.with_name(f".{os.getpid()}.{out.name}")
    try:
        say("writing")
        _write(found, params.format, beside)
        say("checking")
        copied = exporting.reopened(beside, params.format)
        proof = exporting.compare(found.smaller, found.known, copied)
        facts = modelcard.facts(found.smaller, reference, params.format, found.mask, proof)
        modelcard.write(beside, facts, evaluated=not found.fresh)
        _publish(beside, out)
    except OSError as error:
        raise disk_trouble(out, error) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return _summary(out, facts)


def _write(found: Source, form: str, folder: Path) -> None:
    model = found.wide() if form == "gated" else found.smaller
    loading.save(model, exporting.fitting(found.tokenizer, model), folder)
    if form == "pruned":
        shutil.copyfile(exporting.LOADER, folder / exporting.LOADER.name)
    elif form == "onnx":
        (folder / checkpoints.WEIGHTS).unlink()  # the graph holds them
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
    kept = ("format", "parameters", "parameters_before", "checked")
    return {name: facts[name] for name in kept} | {
        "bytes": size,
        "files": sorted(file.name for file in out.iterdir()),
    }
