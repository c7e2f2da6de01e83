"""The stage that ranks a teacher's heads and neurons by an attribution method."""

import numpy as np

from sparsekd.catalog.stage_parameters import AttributeParams
from sparsekd.knowledge.gradients import PassOptions
from sparsekd.knowledge.rankings import from_data
from sparsekd.models.devices import move
from sparsekd.runs.records import Outcome
from sparsekd.stages import inputs
from sparsekd.stages.context import StageContext
from sparsekd.stages.results import save_shape
from sparsekd.units.scores import Scores


def run(context: StageContext) -> Outcome:
    """Rank the units on examples; the two halves of the file of scores are the same."""
    recipe, params = context.recipe, AttributeParams.of(context.recipe.params["attribute"])
    teacher, splits = inputs.load_teacher(context)
    data = splits[params.split]
    data = data.select(np.arange(min(params.examples, len(data))))
    options = PassOptions(
        on_progress=lambda done, of: context.report("attributions", done, of),
        should_stop=context.should_stop,
    )
    move(teacher, context.device)
    heads, neurons = from_data(teacher, data, splits.tokenizer, params, options)
    made = {"task": recipe.task, "inputs": recipe.inputs, "max_length": splits.max_length}
    made |= {"ranking": params.kind, "attribution": params.values(), "examples": len(data)}
    scores = Scores(heads, heads, neurons, neurons, made)
    scores.save(context.folder / "scores.npz")
    save_shape(context, teacher)
    layers, per_layer, width = scores.shape
    facts = {"layers": layers, "heads": per_layer, "neurons": width, "examples": len(data)}
    return Outcome({}, facts)
