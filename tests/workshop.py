"""A tiny task and a tiny checkpoint on disk, and commands and runs in the test's own process."""

import io
import itertools
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
import torch

from sparsekd.__main__ import main
from sparsekd.models import loading
from sparsekd.runs import jobs, store
from sparsekd.runs.records import Recipe, Run, State
from sparsekd.scheduler.executors import Place
from sparsekd.scheduler.run_queue import Queue
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


def processor_only(home: Path) -> Path:
    """The same store, which knows the devices already: to detect them takes seconds."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "devices.json").write_text('[{"name": "cpu", "words": "a processor", "memory": 0}]')
    return home


class OwnProcess:
    """An executor whose workers do their runs at once, in the test's own process."""

    def __init__(self) -> None:
        self.gone: dict[str, str] = {}

    def places(self) -> list[Place]:
        return [Place("cpu", 1)]

    def start(self, runs: Sequence[Run], place: str, slots: int, memory: int = 0) -> None:
        names = [run.id for run in runs]
        log = store.folder(names[0]) / "log.txt"
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("a") as out, redirect_stdout(out), redirect_stderr(out):
            work(names, place)
        self.gone |= dict.fromkeys(names, "")

    def ended(self) -> dict[str, str]:
        gone, self.gone = self.gone, {}
        return gone

    def cancel(self, run_id: str) -> None:
        """Nothing is at work between two calls."""

    def close(self) -> None:
        """Nothing is held."""


def queue_here(patch: pytest.MonkeyPatch) -> None:
    """Let the queue serve at once, in the test's own process: no process has to load torch."""
    patch.setattr("sparsekd.scheduler.run_queue.PAUSE", 0.0)
    patch.setattr(jobs, "start_queue", lambda: Queue(OwnProcess()).serve())


@dataclass(frozen=True)
class Said:
    """What a command wrote."""

    stdout: str
    stderr: str


def command(home: Path, *words: str, code: int = 0) -> Said:
    """One command and its runs, in this process; no error has a traceback."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSEKD_HOME", str(processor_only(home)))
        queue_here(patch)
        with redirect_stdout(out), redirect_stderr(err):
            found = main(words)
    said = Said(out.getvalue(), err.getvalue())
    assert found == code, said.stderr
    assert "Traceback" not in said.stderr
    return said
