"""Steps that train: fine-tuning, every method of distillation, students in one stack."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sparsekd.catalog.methods import METHODS
from sparsekd.check import Difference
from sparsekd.check.differences import Regime, regime, relative, right_answers
from sparsekd.check.workshop import Workshop, for_device, logits_of
from sparsekd.runs import store
from sparsekd.runs.records import Recipe

LAYERS = 2
# Smaller than the defaults, which are made for longer trainings.
SMALL: dict[str, dict[str, Any]] = {
    "knowledge_selection": {"episodes": 2, "explorations": 1, "phases": 2, "updates": 2},
    "teacher_selection": {"rewards": 2},
}
STACKED = 2  # students


def fine_tune(shop: Workshop) -> Iterator[Difference]:
    """Fine-tune the demo checkpoint."""
    yield from trained(shop, shop.teacher_recipe)


def distil(shop: Workshop, method: str) -> Iterator[Difference]:
    """Distil the teacher into a student by one method."""
    recipe = shop.distillation(method, LAYERS, seed=1, values=SMALL.get(method))
    yield from trained(shop, recipe)


def trained(shop: Workshop, recipe: Recipe) -> Iterator[Difference]:
    """Train on the device and on the processor, and compare the models' answers."""
    ours, theirs = shop.both(recipe, answers)
    yield from differences(ours, theirs, regime(shop.device, training=True))


def stack(shop: Workshop) -> Iterator[Difference]:
    """Train students in one stack on the device, each alone on the processor."""
    name = next(card.name for card in METHODS.values() if card.stacks and card.least_teachers)
    wanted = [shop.distillation(name, LAYERS, seed) for seed in range(2, 2 + STACKED)]
    shop.on_device(*wanted)
    how = regime(shop.device, training=True)
    for recipe in wanted:
        run = store.get(for_device(recipe).run_id)
        together = run.outcome.facts.get("together")
        why = str(run.outcome.facts.get("why_alone", "a stack trains its students together"))
        missing = float(STACKED - together) if together else float("nan")
        yield Difference("students that were not in the stack", missing, 0.0, why)
        expected = answers(shop.done(recipe).folder)
        # Batched products add in another order, on the processor too.
        yield from differences(answers(run.folder), expected, "training" if how == "exact" else how)


def differences(
    ours: tuple[np.ndarray, np.ndarray], theirs: tuple[np.ndarray, np.ndarray], how: Regime
) -> Iterator[Difference]:
    """Yield the differences of two models' logits on the selection split.

    Shapes: each pair logits (N, C) and labels (N,), N here the number of examples.
    """
    yield relative("logits", ours[0], theirs[0], how)
    yield right_answers("selection", ours[0], theirs[0], theirs[1], how)


def answers(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Read a run's logits and labels on the selection split.

    Shapes: -> (N, C), (N,), N here the number of examples.
    """
    labels: np.ndarray = np.load(folder / "labels-selection.npy", allow_pickle=False)
    return logits_of("selection")(folder), labels
