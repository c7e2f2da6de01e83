"""The number of layers of models, read from their configurations without loading them."""

import json

from sparsekd.catalog import families
from sparsekd.runs import references, store
from sparsekd.runs.records import Recipe
from sparsekd.tasks.demo import DEMO_CHECKPOINTS, DEMO_TEACHERS


def depth(model: Recipe) -> int | None:
    """Return how many layers a model has or will have; None where only the hub knows."""
    if model.stage == "finetune":
        made = layers_of(model.run_id)
        return layers_of(model.inputs["checkpoint"]) if made is None else made
    if model.stage == "prune":
        return layers_of(model.inputs["teacher"])
    return layers_of(model.run_id)


def layers_of(reference: str) -> int | None:
    """Return the layers of the model behind a reference; None where it is not on this machine."""
    if reference in DEMO_CHECKPOINTS:
        return int(DEMO_TEACHERS[reference]["layers"])
    if reference.startswith("hub:"):
        return None
    path = references.folder(reference) / "config.json"
    if path.exists():
        return families.depth(json.loads(path.read_text(encoding="utf-8")))
    known = store.get_many([reference]).get(reference)
    return depth(known.recipe) if known and known.recipe.stage == "prune" else None
