"""A store of the check's own, in which each run is made on the device and on the processor.

The runs that later steps start from are the processor's, so that no step inherits another's
difference.
"""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sparsekd.catalog.methods import find
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.check import StepFailed
from sparsekd.check.meter import Meter
from sparsekd.check.task import write_long_task, write_task
from sparsekd.data import Encoded
from sparsekd.models.devices import available, move
from sparsekd.runs import references, store
from sparsekd.runs.records import Recipe, Run, State
from sparsekd.stages import inputs
from sparsekd.studies import recipes
from sparsekd.tasks import TaskCard
from sparsekd.tasks.demo import DEMO_CHECKPOINT
from sparsekd.worker import work

T = TypeVar("T")
LENGTH = 16  # tokens
TRAIN = TrainParams(
    epochs=1, batch_size=16, learning_rate=1e-3, max_length=LENGTH, clip=1.0, patience=2
)
TEACHER_EPOCHS = 2
LOG_LINES = 60  # of a step that failed


@dataclass
class Workshop:
    """The store in which a device is checked, with the runs that the steps share."""

    home: Path
    device: str
    meter: Meter
    scene: Any = None
    """What `check.workers` has played, once for all its steps."""

    # --- shared runs, on the processor --------------------------------------------------------

    @cached_property
    def card(self) -> TaskCard:
        """Return the task of short sentences."""
        return references.task(str(write_task(self.home / "tasks" / "short")))

    @cached_property
    def long_card(self) -> TaskCard:
        """Return the task of long texts."""
        return references.task(str(write_long_task(self.home / "tasks" / "long")))

    @property
    def teacher_recipe(self) -> Recipe:
        """Return the fine-tuning of the demo checkpoint."""
        train = TRAIN.changed({"epochs": TEACHER_EPOCHS})
        return recipes.finetune(self.card.name, DEMO_CHECKPOINT, train)

    @cached_property
    def teacher(self) -> str:
        """Return the fine-tuned teacher's run."""
        return self.done(self.teacher_recipe).id

    @cached_property
    def student(self) -> str:
        """Return the trial student's run."""
        return self.done(self.distillation("vanilla", 2)).id

    @cached_property
    def scores(self) -> str:
        """Return the run of the teacher's scores for the trial student."""
        return self.done(self.score_recipe()).id

    def score_recipe(self) -> Recipe:
        """Return the scoring of the teacher for the trial student."""
        return recipes.score(self.card.name, self.teacher, self.student, ScoreParams(), LENGTH)

    def prune_recipe(self) -> Recipe:
        """Return the pruning of half of the teacher's units."""
        mask = MaskParams(sparsity=0.5)
        return recipes.prune(self.card.name, self.teacher, self.scores, mask, LENGTH)

    def distillation(
        self,
        method: str,
        layers: int,
        seed: int = 0,
        values: dict[str, Any] | None = None,
        train: TrainParams = TRAIN,
    ) -> Recipe:
        """Return the distillation of a student by a method; a second teacher is the student."""
        card = find(method)
        others = [self.student] if card.least_teachers > 1 else []
        params, student = card.params.of(values or {}), StudentParams(layers=layers)
        shape = (self.card.name, method, self.teacher, train, params, student)
        return recipes.distil(*shape, seed=seed, others=others)

    def load_libraries(self) -> None:
        """Load what the first run would load, so that its time is its own."""
        inputs.load_pretrained(DEMO_CHECKPOINT, self.card, 0)

    # --- one step on both sides ---------------------------------------------------------------

    def both(self, recipe: Recipe, read: Callable[[Path], T]) -> tuple[T, T]:
        """Make a run on the device and on the processor; return what `read` finds in each folder.

        Raises:
            StepFailed: one of them failed.
        """
        ours = read(self.on_device(recipe).folder)
        self._forget_logits()
        return ours, read(self.done(recipe).folder)

    def on_device(self, *wanted: Recipe) -> Run:
        """Make runs on the device, measured, together where they can be; return the first.

        Raises:
            StepFailed: one of them failed.
        """
        again = [for_device(recipe) if not recipe.repeat else recipe for recipe in wanted]
        self._forget_logits()
        with self.meter.measuring():
            return self._work(again, self.device)

    def done(self, recipe: Recipe) -> Run:
        """Return a run made on the processor, now or before.

        Raises:
            StepFailed: it failed.
        """
        return self._work([recipe], "cpu")

    def compute(self, function: Callable[[str], T]) -> tuple[T, T]:
        """Call a function with the device, measured, and with the processor."""
        with self.meter.measuring():
            ours = function(self.device)
        return ours, function("cpu")

    def load(self, reference: str, device: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
        """Load a run's model onto a device."""
        model, tokenizer = inputs.load_classifier(reference, self.card)
        return move(model, device), tokenizer

    def data(self, tokenizer: PreTrainedTokenizerBase, split: str = "selection") -> Encoded:
        """Return a split of the task in a tokenizer's tokens."""
        return inputs.Splits(self.card, tokenizer, LENGTH)[split]

    def _work(self, wanted: list[Recipe], device: str) -> Run:
        names = [recipe.run_id for recipe in wanted]
        store.create_all(wanted, device)
        log = self.home / "log.txt"
        start = log.stat().st_size if log.exists() else 0
        terminate = signal.getsignal(signal.SIGTERM)
        with log.open("a", encoding="utf-8") as out, redirect_stderr(out):
            try:
                work(names, device)
            finally:
                signal.signal(signal.SIGTERM, terminate)  # the worker has set its own
        for run in store.get_many(names).values():
            if run.state is not State.DONE:
                with log.open(encoding="utf-8") as lines:
                    lines.seek(start)
                    raise failure(run, lines.read())
        return store.get(names[0])

    def _forget_logits(self) -> None:
        """Delete cached logits: each side computes its own."""
        shutil.rmtree(self.home / "cache" / "logits", ignore_errors=True)


def for_device(recipe: Recipe, repeat: int = 1) -> Recipe:
    """Return the same work as a run of its own: `repeat` changes only the run's id."""
    return replace(recipe, repeat=repeat)


def failure(run: Run, log: str = "") -> StepFailed:
    """Return the error of a run that was to be done and is not."""
    words = f"{run.recipe.stage} {run.state}: {run.outcome.message} {run.outcome.hint}"
    return StepFailed(words.strip(), "\n".join(log.splitlines()[-LOG_LINES:]))


def logits_of(split: str) -> Callable[[Path], np.ndarray]:
    """Return the function that reads a run's logits on a split."""
    return lambda folder: inputs.load_array(folder / f"logits-{split}.npy")


@contextmanager
def opened(device: str) -> Iterator[Workshop]:
    """Open a workshop in a temporary store; afterwards the user's store is the store again."""
    with TemporaryDirectory(prefix="sparsekd-check-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        found = json.dumps([asdict(each) for each in available()])
        (home / "devices.json").write_text(found, encoding="utf-8")
        own = {
            "SPARSEKD_HOME": folder,
            "SPARSEKD_EXECUTOR": "local",
            "SPARSEKD_SLOTS": f"{device}=3",
        }
        before = {name: os.environ.get(name) for name in own}
        os.environ.update(own)
        threads = torch.get_num_threads()
        try:
            yield Workshop(home, device, Meter(torch.device(device)))
        finally:
            torch.set_num_threads(threads)
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value
