"""The commands that measure single units: `ablate`, `attribute`."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from sparsekd.catalog.stage_parameters import AblateParams, AttributeParams
from sparsekd.cli.models import copy_out, run_of
from sparsekd.cli.options import DeviceRequest, Given, Group, Option
from sparsekd.cli.output import output
from sparsekd.cli.progress import run_one
from sparsekd.cli.scores import MAX_LENGTH, MODEL_HELP
from sparsekd.cli.tasks import TaskRequest
from sparsekd.runs import references
from sparsekd.studies import recipes
from sparsekd.units.ablation import Ablation, Measure


class AblateRequest(DeviceRequest, TaskRequest):
    """The ablation of one teacher."""

    teacher: str = Field(description=MODEL_HELP)
    student: str | None = Field(None, description="run id or folder: measure the distance to it")
    scores_run: str | None = Field(None, description="id of a scoring run: its K ranks the neurons")
    max_length: int = Field(MAX_LENGTH, description="tokens kept of a text")
    out: Path = Field(description="ablation.npz")
    neuron_layer: Annotated[int | None, Option("layer")] = Field(
        None, description="also remove this layer's neurons one by one (0 = bottom)"
    )
    params: Annotated[Given, Group(AblateParams, without=("neuron_layer",))] = Field({})


class AttributeRequest(DeviceRequest, TaskRequest):
    """Attributions of one teacher."""

    teacher: str = Field(description=MODEL_HELP)
    max_length: int = Field(MAX_LENGTH, description="tokens kept of a text")
    out: Path = Field(description="conductance.npz")
    params: Annotated[Given, Group(AttributeParams)] = Field({})


def ablate(request: AblateRequest) -> None:
    """Remove each head, and each group of neurons, alone: the change in task and distance."""
    card = request.card()
    single = {} if request.neuron_layer is None else {"neuron_layer": request.neuron_layer}
    recipe = recipes.ablate(
        card.name,
        references.model(request.teacher),
        AblateParams.of({**request.params, **single}),
        request.max_length,
        references.model(request.student) if request.student else "",
        run_of(request.scores_run, "score").id if request.scores_run else "",
    )
    run = run_one(recipe, request.device)
    copy_out(run.folder / "ablation.npz", request.out)
    ablation = Ablation.load(request.out)
    facts = {"id": run.id, "out": str(request.out), "metric": ablation.metric} | run.outcome.facts
    largest = {measure: _largest(ablation, measure) for measure in ablation.measures}
    lines = [
        f"{measure}: {each['dense']:.4f} dense; removing head {each['head']} of layer "
        f"{each['layer']} (both from 0), the largest change, {each['change']:+.4f}"
        for measure, each in largest.items()
    ]
    text = "\n".join([*lines, f"Ablation in {request.out}"])
    output(request, facts | {"largest": largest}, text)


def attribute(request: AttributeRequest) -> None:
    """Attribute a teacher's answers to its heads and neurons, and write a file of scores."""
    card = request.card()
    params = AttributeParams.of(dict(request.params))
    teacher = references.model(request.teacher)
    run = run_one(recipes.attribute(card.name, teacher, params, request.max_length), request.device)
    copy_out(run.folder / "scores.npz", request.out)
    facts = {"id": run.id, "out": str(request.out)} | run.outcome.facts
    name = params.kind.replace("_", " × ")
    output(request, facts, f"{name} of {facts['examples']} examples in {request.out}")


def _largest(ablation: Ablation, measure: Measure) -> dict[str, Any]:
    """Return the head whose removal changes a value most, up or down."""
    changes = ablation.heads(measure)
    layer, head = np.unravel_index(int(np.abs(changes).argmax()), changes.shape)
    change = float(changes[layer, head])
    dense = ablation.dense_value(measure)
    return {"layer": int(layer), "head": int(head), "change": change, "dense": dense}
