"""The stage that makes a teacher: it fine-tunes a checkpoint, or takes a classifier as it is."""

from sparsekd.runs import references
from sparsekd.runs.records import Outcome
from sparsekd.stages import inputs
from sparsekd.stages.context import StageContext, limit_threads
from sparsekd.stages.results import save_model
from sparsekd.stages.training import load_data, prepare
from sparsekd.tasks.majority import label_means


def run(context: StageContext) -> Outcome:
    """Fine-tune the recipe's checkpoint on the task's labels."""
    recipe = context.recipe
    card = references.card(recipe.task)
    context.report("loading", 0, 1, now=True)
    if recipe.as_it_is:
        return _as_it_is(context)
    checkpoint = recipe.inputs["checkpoint"]
    model, tokenizer = inputs.load_pretrained(checkpoint, card, recipe.random_seed)
    return prepare(context, load_data(context, card, tokenizer), model, {}).train()


def _as_it_is(context: StageContext) -> Outcome:
    """Evaluate and keep a finished classifier of the task's labels, without a step of training."""
    recipe = context.recipe
    card, order = references.card(recipe.task), recipe.params.get("label_order", ())
    model, tokenizer = inputs.load_classifier(recipe.inputs["checkpoint"], card, order)
    limit_threads(model)
    data = load_data(context, card, tokenizer)
    inputs.check_length(model, data.splits)
    facts = {
        "epochs": 0,
        "steps": 0,
        "gold_labels": int(data.train.labelled.sum()),
        "label_means": label_means(card, data.train.labels),
        "selection_labels": int(data.selection.labelled.sum()),
    }
    return save_model(context, model, data.splits, facts)
