"""The commands `export` and `latency`: take a model elsewhere, and measure it."""

from argparse import Namespace

from sparsekd.catalog.stage_parameters import ExportParams, MeasureParams
from sparsekd.cli.follow import follow
from sparsekd.cli.options import given
from sparsekd.cli.telling import say, tell
from sparsekd.runs import jobs, masks, measurements, references, store
from sparsekd.runs.records import Step
from sparsekd.studies import recipes
from sparsekd.units.masking import Mask


def export(args: Namespace) -> None:
    """A pruned or whole model for use elsewhere, checked before it is written."""
    from sparsekd.stages.export import export_model

    mask = Mask.load(args.mask) if args.mask else None
    params = ExportParams.of(given(args, ExportParams))
    facts = export_model(references.model(args.model), params, args.out, mask, say)
    proof = facts["checked"]
    words = (
        f"{facts['parameters']:,} of {facts['parameters_before']:,} parameters, "
        f"{facts['bytes'] / 1e6:.1f} MB in {args.out}; logits on {proof['texts']} texts differ by "
        f"at most {proof['largest_difference']:.1e}"
    )
    tell(args, {"out": str(args.out)} | facts, words)


def latency(args: Namespace) -> None:
    """Measured speed and size of a model dense, masked and pruned."""
    jobs.check_device(args.device)
    device = jobs.devices()[0].name if args.device == "auto" else args.device
    model = references.model(args.model)
    mask = masks.keep(Mask.load(args.mask)) if args.mask else ""
    params = MeasureParams.of(given(args, MeasureParams))
    task = "" if ":" in model else store.get(model).recipe.task
    recipe = recipes.measure(task, model, params, device, mask, args.repeat)
    jobs.submit([recipe], device)
    run = follow([Step("measure", recipe)])[recipe.run_id]
    rows, facts = measurements.table(run), run.outcome.facts
    shown = rows.to_string(index=False, float_format=lambda value: f"{value:.3f}")
    circumstances = (
        f"{facts['device_words']}, {facts['threads']} threads, load {facts['load']:.1f} before"
    )
    words = "\n".join([shown, *measurements.sentences(rows), circumstances])
    tell(args, {"id": run.id, "rows": rows.to_dict("records")} | facts, words)
