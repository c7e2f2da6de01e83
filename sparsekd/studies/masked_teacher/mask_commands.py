"""The command lines that make a mask, a pruned teacher and an export, as pages print them."""

import shlex

from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.runs import store
from sparsekd.runs.records import Recipe, Run, State
from sparsekd.studies.masked_teacher.masked_model import MaskedModel

MASK = "mask.npz"


def mask_name(pruning: Recipe) -> str:
    """Return a mask as commands name it: the id of the run that pruned by it, or its file."""
    run = store.get_many([pruning.run_id]).get(pruning.run_id)
    return run.id if run is not None and run.state is State.DONE else MASK


def mask_command(scores: Run, params: MaskParams) -> str:
    """Return the command that writes the mask of these scores."""
    words = ["python -m sparsekd mask", f"--scores {scores.id}"]
    words += [f"--lam {params.lam:g}", f"--sparsity {params.sparsity:g}"]
    if params.neuron_sparsity is not None:
        words.append(f"--neuron-sparsity {params.neuron_sparsity:g}")
    words += [f"--round-to {params.round_to}", f"--normalise {params.normalise}"]
    return " ".join([*words, f"--out {MASK}"])


def prune_command(scores: Run, mask: str = MASK) -> str:
    """Return the command that prunes the scored teacher by a mask, named as in `mask_name`."""
    teacher = _model(scores.recipe.inputs["teacher"])
    return f"python -m sparsekd prune --teacher {teacher} --mask {mask} --out pruned"


def export_command(model: MaskedModel, mask: str = MASK) -> str:
    """Return the command that exports a model, pruned by the mask if it has one."""
    words = [f"python -m sparsekd export --model {_model(model.model)}"]
    words += [f"--mask {mask}"] if model.mask is not None else []
    return " ".join([*words, "--format pruned --out exported"])


def _model(reference: str) -> str:
    """Return a stored reference as the command line takes it: a run id, a folder or a hub id."""
    if reference.startswith("folder:"):
        reference = reference.removeprefix("folder:").rpartition("#")[0]
    return shlex.quote(reference.removeprefix("hub:"))
