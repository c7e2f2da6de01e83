"""The commands `export` and `latency`: a model for use elsewhere, and its measured speed."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from sparsekd.catalog.stage_parameters import ExportParams, MeasureParams
from sparsekd.cli.models import file_of
from sparsekd.cli.options import DeviceRequest, Given, Group, Request
from sparsekd.cli.output import note, output, table_text
from sparsekd.cli.progress import run_one
from sparsekd.cli.scores import MODEL_HELP
from sparsekd.runs import jobs, masks, measurements, references, store
from sparsekd.studies import recipes
from sparsekd.units.masking import Mask


class ModelRequest(Request):
    """A request about one model, pruned by a mask where one is named."""

    model: str = Field(description=MODEL_HELP)
    mask: str | None = Field(
        None, description="mask.npz of a model of the same shape, or the id of a pruning run"
    )

    def chosen_mask(self) -> Mask | None:
        """Return the mask that is named."""
        return Mask.load(file_of(self.mask, "prune")) if self.mask else None


class ExportRequest(ModelRequest):
    """One export."""

    out: Path = Field(description="a new folder")
    params: Annotated[Given, Group(ExportParams)] = Field({})


class LatencyRequest(DeviceRequest, ModelRequest):
    """One measurement."""

    repeat: int = Field(0, description="another number measures anew")
    params: Annotated[Given, Group(MeasureParams)] = Field({})


def export(request: ExportRequest) -> None:
    """Export a pruned or whole model, checked against the original before it is published."""
    from sparsekd.stages.export import export_model

    params = ExportParams.of(dict(request.params))
    model, mask = references.model(request.model), request.chosen_mask()
    facts = export_model(model, params, request.out, mask, note)
    proof = facts["checked"]
    text = (
        f"{facts['parameters']:,} of {facts['parameters_before']:,} parameters, "
        f"{facts['bytes'] / 1e6:.1f} MB in {request.out}; logits on {proof['texts']} texts differ "
        f"by at most {proof['largest_difference']:.1e}"
    )
    output(request, {"out": str(request.out)} | facts, text)


def latency(request: LatencyRequest) -> None:
    """Measure speed and size of a model dense, masked and pruned."""
    jobs.check_device(request.device)
    device = jobs.devices()[0].name if request.device == "auto" else request.device
    model, mask = references.model(request.model), request.chosen_mask()
    kept = masks.save(mask) if mask else ""
    params = MeasureParams.of(dict(request.params))
    task = "" if ":" in model else store.get(model).recipe.task
    run = run_one(recipes.measure(task, model, params, device, kept, request.repeat), device)
    rows, facts = measurements.table(run), run.outcome.facts
    conditions = (
        f"{facts['device_words']}, {facts['threads']} threads, load {facts['load']:.1f} before"
    )
    text = "\n".join([table_text(rows, "{:.3f}"), *measurements.sentences(rows), conditions])
    output(request, {"id": run.id, "rows": rows.to_dict("records")} | facts, text)
