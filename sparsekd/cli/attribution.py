"""The command that attributes a teacher's answers to its heads and neurons."""

from argparse import Namespace

from sparsekd.catalog.stage_parameters import AttributeParams
from sparsekd.cli.commands import copy_out, run_one, task_of
from sparsekd.cli.options import given
from sparsekd.cli.telling import tell
from sparsekd.runs import references
from sparsekd.studies import recipes


def attribute(args: Namespace) -> None:
    """Conductance or gradient × activation of every head and neuron, as a file of scores."""
    card = task_of(args)
    params = AttributeParams.of(given(args, AttributeParams))
    recipe = recipes.attribute(card.name, references.model(args.teacher), params, args.max_length)
    run = run_one(args, recipe, "attribution", quiet=True)
    copy_out(run.folder / "scores.npz", args.out)
    facts = {"id": run.id, "out": str(args.out)} | run.outcome.facts
    words = f"{params.kind.replace('_', ' × ')} of {facts['examples']} examples in {args.out}"
    tell(args, facts, words)
