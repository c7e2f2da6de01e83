"""A small sweep whose runs are entered as done, without training."""

from typing import Any

import numpy as np

from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, StudentParams
from sparsekd.runs import store
from sparsekd.runs.records import Outcome, Plan, State
from sparsekd.studies import recipes
from sparsekd.studies.sweeps.sweep_spec import SweepSpec
from sparsekd.units.masking import Mask

TRAIN = TrainParams(epochs=1, batch_size=32, max_length=16, learning_rate=1e-3)


def spec(**changes: Any) -> SweepSpec:
    """Two λ, one sparsity, two seeds and all controls."""
    teacher = recipes.finetune("demo/sentiment", "demo:", TRAIN)
    grid: dict[str, Any] = {"lams": (0.0, 1.0), "sparsities": (0.0, 0.5), "seeds": (0, 1)}
    fixed = {"train": TRAIN, "student": StudentParams(layers=1), "mask": MaskParams(round_to=1)}
    usual = {"task": "demo/sentiment", "teacher": teacher}
    return SweepSpec(**(usual | grid | fixed | changes))


def finished(plan: Plan, but: str = "") -> Plan:
    """Enter every run as done, except one that fails and those that need it."""
    missing: set[str] = set()
    store.create_all([step.recipe for step in plan.steps])
    for number, step in enumerate(plan.steps):
        recipe, name = step.recipe, step.recipe.run_id
        if missing & set(recipe.needs):
            missing.add(name)
        elif name == but:
            missing.add(name)
            outcome = Outcome(message="The disk is full.", hint="Free it.")
            store.finish(name, State.FAILED, outcome, 1.0)
        else:
            folder = store.folder(name)
            folder.mkdir(parents=True, exist_ok=True)
            drawn = np.random.default_rng(number)
            np.save(folder / "logits-selection.npy", drawn.normal(size=(6, 2)))
            if recipe.stage == "prune":
                Mask(drawn.random((2, 4)) > 0.5, drawn.random((2, 40)) > 0.5).save(
                    folder / "mask.npz"
                )
            scores = {"accuracy": 0.5 + number / 1000}
            outcome = Outcome({"selection": scores, "validation": scores}, {"parameters": number})
            store.start(name, "cpu", 1)
            store.finish(name, State.DONE, outcome, 2.0)
    return plan
