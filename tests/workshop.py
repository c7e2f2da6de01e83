"""A tiny task and a tiny checkpoint on disk, on which every command takes a second."""

import itertools
from pathlib import Path

import pandas as pd
import torch

from sparsekd.models import loading
from sparsekd.runs import store
from sparsekd.runs.records import Recipe, Run, State
from sparsekd.worker import work
from tests.conftest import tiny_model, tiny_tokenizer

SUBJECTS = ("the film", "the plot", "a film", "a plot", "she", "he")
VERBS = ("is", "was")
TAILS = {"good": "praise", "fine": "praise", "bad": "blame", "dull": "blame", "long": "blame"}
EXTRA = ("", "very", "not", "and very", "but very", "and not", "but not")


def sentences() -> pd.DataFrame:
    """All sentences of a small pattern, in a fixed shuffled order."""
    rows = [
        (" ".join(f"{subject} {verb} {extra} {tail}".split()), _label(extra, label))
        for subject, verb, extra, (tail, label) in itertools.product(
            SUBJECTS, VERBS, EXTRA, TAILS.items()
        )
    ]
    frame = pd.DataFrame(rows, columns=["sentence", "label"]).drop_duplicates("sentence")
    return frame.sample(frac=1.0, random_state=0).reset_index(drop=True)


def _label(extra: str, label: str) -> str:
    if "not" not in extra:
        return label
    return "blame" if label == "praise" else "praise"


def task_folder(folder: Path) -> Path:
    """A local task of 340 training and 80 validation sentences."""
    folder.mkdir(parents=True, exist_ok=True)
    frame = sentences()
    frame[:340].to_csv(folder / "train.csv", index=False)
    frame[340:].to_csv(folder / "validation.csv", index=False)
    return folder


def checkpoint_folder(folder: Path, layers: int = 2) -> Path:
    """A tiny BERT with small random weights, and its tokenizer."""
    model = tiny_model("bert", layers=layers, heads=2, hidden=16, neurons=24, vocabulary=24)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1 and "LayerNorm" not in name:
                weight.mul_(0.3)
    loading.save(model, tiny_tokenizer(), folder)
    return folder


def worked(recipe: Recipe) -> Run:
    """The run of a recipe, done in this process, however it ends."""
    store.create(recipe, "cpu")
    work(recipe.run_id, "cpu")
    return store.get(recipe.run_id)


def done(recipe: Recipe) -> Run:
    """The run of a recipe, done in this process without an error."""
    run = worked(recipe)
    assert run.state is State.DONE, f"{run.outcome.message} {run.outcome.hint}"
    return run
