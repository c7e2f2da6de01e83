"""Tiny models and masks on disk, for the tests of exports and measurements."""

from pathlib import Path
from typing import Any

import numpy as np

from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.models import loading
from sparsekd.runs import references
from sparsekd.runs.records import Run
from sparsekd.studies import recipes
from sparsekd.units.masking import Mask
from tests.conftest import tiny_model, tiny_tokenizer
from tests.workshop import checkpoint_folder, done, task_folder


def saved(folder: Path, architecture: str = "bert", **options: Any) -> str:
    """Save a tiny classifier in a folder; return its reference."""
    loading.save(tiny_model(architecture, layers=3, **options), tiny_tokenizer(), folder)
    return references.model(str(folder))


def mask_with_gaps(seed: int = 1) -> Mask:
    """A mask with a layer without heads, one without neurons, and gaps elsewhere."""
    rng = np.random.default_rng(seed)
    heads, neurons = rng.random((3, 3)) < 0.6, rng.random((3, 20)) < 0.6
    heads[0], heads[1], neurons[2] = [False, True, True], False, False
    return Mask(heads, neurons, {"lam": 0.5})


def pruning_run(folder: Path) -> Run:
    """A run that prunes a tiny teacher by a random mask."""
    card = references.task(str(task_folder(folder / "task")))
    teacher = references.model(str(checkpoint_folder(folder / "teacher")))
    params = MaskParams(kind="random", sparsity=0.5, round_to=1)
    return done(recipes.prune(card.name, teacher, "", params, 16))
