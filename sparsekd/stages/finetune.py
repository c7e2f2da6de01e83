"""The stage that fine-tunes a pretrained model on a task's labels."""

from sparsekd.runs import references
from sparsekd.runs.records import Outcome
from sparsekd.stages import inputs
from sparsekd.stages.context import StageContext
from sparsekd.stages.training import load_data, prepare


def run(context: StageContext) -> Outcome:
    """Fine-tune the recipe's checkpoint."""
    recipe = context.recipe
    card = references.card(recipe.task)
    context.report("loading", 0, 1, now=True)
    checkpoint = recipe.inputs["checkpoint"]
    model, tokenizer = inputs.load_pretrained(checkpoint, card, recipe.random_seed)
    return prepare(context, load_data(context, card, tokenizer), model, {}).train()
