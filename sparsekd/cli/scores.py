"""The commands from scores to a sparse teacher: `score`, `mask`, `prune`, `probe`."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from sparsekd.catalog import rankings
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ProbeParams, ScoreParams
from sparsekd.cli.models import copy_out, file_of, run_of
from sparsekd.cli.options import DeviceRequest, Given, Group, Request
from sparsekd.cli.output import output, table_text
from sparsekd.cli.progress import run_one
from sparsekd.cli.tasks import TaskRequest
from sparsekd.runs import references, tables
from sparsekd.studies import recipes
from sparsekd.units import masking
from sparsekd.units.scores import Scores

MODEL_HELP = "run id or folder of a trained model"
MAX_LENGTH = TrainParams.model_fields["max_length"].default


class ScoreRequest(DeviceRequest, TaskRequest):
    """Scores of one teacher for one trial student."""

    teacher: str = Field(description=MODEL_HELP)
    student: str = Field(description="run id or folder of the trial student")
    max_length: int = Field(MAX_LENGTH, description="tokens kept of a text")
    out: Path = Field(description="scores.npz")
    params: Annotated[Given, Group(ScoreParams)] = Field({})


class MaskRequest(Request):
    """One mask."""

    scores: str = Field(
        description="scores.npz from `score`, or the id of a scoring run; for a ranking of weights "
        "the id of an ablation run"
    )
    out: Path = Field(description="mask.npz")
    seed: int = Field(0, description="seed of a random mask (--kind random)")
    params: Annotated[Given, Group(MaskParams)] = Field({})


class PruneRequest(Request):
    """One sparse teacher."""

    teacher: str = Field(description=MODEL_HELP)
    mask: str = Field(description="mask.npz from `mask`, or the id of a pruning run")
    out: Path = Field(description="folder of the new checkpoint")


class ProbeRequest(DeviceRequest):
    """The quality of a masked teacher."""

    scores_run: str = Field(description="id of a scoring run")
    params: Annotated[Given, Group(ProbeParams)] = Field({})


def score(request: ScoreRequest) -> None:
    """Score every head and neuron of a teacher, and write the raw scores to a file."""
    card = request.card()
    params = ScoreParams.of(dict(request.params))
    models = references.model(request.teacher), references.model(request.student)
    recipe = recipes.score(card.name, *models, params, request.max_length)
    run = run_one(recipe, request.device)
    copy_out(run.folder / "scores.npz", request.out)
    output(request, {"id": run.id, "out": str(request.out)}, f"Scores in {request.out}")


def mask(request: MaskRequest) -> None:
    """Choose the heads and neurons to keep at one λ and sparsity."""
    params = MaskParams.of(dict(request.params))
    of_weights = rankings.find(params.kind).origin == "weights"
    file = (
        file_of(request.scores, "ablate", name=f"{params.kind}.npz")
        if of_weights
        else file_of(request.scores, "score", "attribute")
    )
    chosen = masking.build(Scores.load(file), params, request.seed)
    chosen.save(request.out)
    counts = {
        "heads_kept": int(chosen.heads.sum()),
        "heads": chosen.heads.size,
        "neurons_kept": int(chosen.neurons.sum()),
        "neurons": chosen.neurons.size,
    }
    text = "Keeps {heads_kept} of {heads} heads and {neurons_kept} of {neurons} neurons; mask in "
    facts = {"out": str(request.out)} | counts
    output(request, facts, f"{text.format(**counts)}{request.out}")


def prune(request: PruneRequest) -> None:
    """Write a physically smaller teacher as a checkpoint in a folder."""
    from sparsekd.stages.folders import prune_model

    chosen = masking.Mask.load(file_of(request.mask, "prune"))
    folder = references.folder(references.model(request.teacher))
    facts = prune_model(folder, chosen, request.out)
    text = f"Keeps {facts['parameters']:,} of {facts['parameters_before']:,} parameters"
    output(request, {"out": str(request.out)} | facts, f"{text}; model in {request.out}")


def probe(request: ProbeRequest) -> None:
    """Measure the masked teacher's quality and distance to its trial student over λ, sparsity."""
    scored = run_of(request.scores_run, "score")
    params = ProbeParams.of(dict(request.params))
    inputs, length = scored.recipe.inputs, scored.recipe.params["max_length"]
    recipe = recipes.probe(
        scored.recipe.task, inputs["teacher"], inputs["student"], scored.id, params, length
    )
    run = run_one(recipe, request.device)
    curve = tables.probe_table(run)
    output(request, {"id": run.id, "rows": curve.to_dict("records")}, table_text(curve, "{}"))
