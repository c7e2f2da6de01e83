"""The command that removes units one by one."""

from argparse import Namespace
from typing import Any

import numpy as np

from sparsekd.catalog.stage_parameters import AblateParams
from sparsekd.cli.commands import copy_out, run_one, task_of
from sparsekd.cli.options import given
from sparsekd.cli.telling import tell
from sparsekd.errors import BadInput
from sparsekd.runs import references, store
from sparsekd.studies import recipes
from sparsekd.units.ablation import Ablation, Measure


def ablate(args: Namespace) -> None:
    """What removing each head, and each group of neurons, really does to task and student."""
    card = task_of(args)
    recipe = recipes.ablate(
        card.name,
        references.model(args.teacher),
        AblateParams.of(given(args, AblateParams)),
        args.max_length,
        references.model(args.student) if args.student else "",
        _scores(args.scores_run) if args.scores_run else "",
    )
    run = run_one(args, recipe, "ablation", quiet=True)
    copy_out(run.folder / "ablation.npz", args.out)
    found = Ablation.load(args.out)
    facts = {"id": run.id, "out": str(args.out), "metric": found.metric} | run.outcome.facts
    effects = {measure: _worst(found, measure) for measure in found.measures}
    words = "\n".join(
        f"{measure}: {each['dense']:.4f} dense; removing head {each['head']} of layer "
        f"{each['layer']} (both from 0), the largest change, {each['change']:+.4f}"
        for measure, each in effects.items()
    )
    tell(args, facts | {"largest": effects}, f"{words}\nAblation in {args.out}")


def _scores(text: str) -> str:
    run = store.get(text)
    if run.recipe.stage != "score":
        raise BadInput(f"Run {run.id} is no scoring run.", "Name one: python -m sparsekd runs list")
    return run.id


def _worst(found: Ablation, measure: Measure) -> dict[str, Any]:
    """The head whose removal changes a value most, whichever way."""
    changes = found.heads(measure)
    layer, head = np.unravel_index(int(np.abs(changes).argmax()), changes.shape)
    change = float(changes[layer, head])
    dense = found.dense_value(measure)
    return {"layer": int(layer), "head": int(head), "change": change, "dense": dense}
