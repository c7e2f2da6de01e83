"""A trade-off study whose runs are written by hand: no training, no torch."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from sparsekd.catalog import rankings
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.runs import store
from sparsekd.runs.records import Outcome, Plan, State, Step
from sparsekd.studies import recipes
from sparsekd.studies.sweeps import sweep
from sparsekd.studies.sweeps.sweep_spec import SweepSpec
from sparsekd.studies.teacher_kinds import ANSWER_CONTROLS
from sparsekd.units import masking
from sparsekd.units.shape import ModelShape, parameters, pruned
from tests.sample_study import DEMO_TRAINING, sample_scores, sample_shape

BEST = (0.5, 0.3)  # λ and sparsity of the best teacher
GRID = {"lams": (0.0, 0.5, 1.0), "sparsities": (0.0, 0.3)}


def asked(**changes: Any) -> SweepSpec:
    """A small study on a demo task."""
    teacher = recipes.finetune("demo/sentiment", "demo:", DEMO_TRAINING)
    usual: dict[str, Any] = {"train": DEMO_TRAINING, "student": StudentParams(layers=1)} | GRID
    return SweepSpec("demo/sentiment", teacher, **(usual | changes))


def fill(plan: Plan, until: int | None = None) -> Plan:
    """Store a study of which the first `until` runs are done; all of them by default."""
    store.save_plan(plan)
    store.create_all([step.recipe for step in plan.steps])
    cells = sweep.cells(plan).set_index("run")
    for step in plan.steps[:until]:
        cell = cells.loc[step.recipe.run_id] if step.recipe.run_id in cells.index else None
        write(step, 0.95 if cell is None else skill(cell))
    return plan


def skill(cell: pd.Series) -> float:
    """Return a student's quality: best at `BEST`, above all controls, noisy over seeds."""
    place = {"none": 0.78, "dense": 0.82, "random": 0.8, "magnitude": 0.81, "scores": 0.87}
    place |= {name: 0.8 for name in (*rankings.CONTROLS, *ANSWER_CONTROLS) if name not in place}
    value = place[cell["ranking"]] + 0.004 * (cell["seed"] % 5)
    sparsity = 0.0 if np.isnan(cell["sparsity"]) else cell["sparsity"]
    if cell["ranking"] == "scores":
        value -= 0.1 * (abs(cell["lam"] - BEST[0]) + abs(sparsity - BEST[1]))
    which = (list(place).index(cell["ranking"]), cell["seed"], cell["attempt"])
    lam = 0.0 if np.isnan(cell["lam"]) else cell["lam"]
    drawn = np.random.default_rng([*which, round(100 * sparsity), round(100 * lam)])
    return float(value + drawn.normal(0, 0.012))


def write(step: Step, worth: float) -> None:
    """Write what a finished run of this role leaves."""
    recipe = step.recipe
    where = store.folder(recipe.run_id)
    where.mkdir(parents=True, exist_ok=True)
    store.start(recipe.run_id, "cpu", 1)
    if recipe.stage == "score":
        sample_scores().save(where / "scores.npz")
        store.finish(recipe.run_id, State.DONE, Outcome(), 1.0)
        return
    shape = sample_shape(1) if recipe.stage == "distil" else sample_shape()
    if recipe.stage == "prune":
        worth -= recipe.params["mask"]["sparsity"] / 4
        shape = _masked(step, where)
    metrics = {
        split: {"accuracy": worth - off, "loss": 1.2 - worth + off}
        for split, off in (("selection", 0.0), ("validation", 0.01))
    }
    facts = {"parameters": parameters(shape), "steps": 400, "epochs": 4}
    store.finish(recipe.run_id, State.DONE, Outcome(metrics, facts), 9.5)


def _masked(step: Step, where: Path) -> ModelShape:
    mask = step.recipe.params["mask"]
    worth = masking.knowledgeableness(sample_scores(), mask["lam"], mask["normalise"])
    drawn = np.random.default_rng(int(step.recipe.run_id[:6], 16))
    jittered = [part * drawn.uniform(0.8, 1.2, part.shape) for part in worth]
    decided = masking.decide(*jittered, mask["sparsity"], round_to=mask["round_to"])
    decided.save(where / "mask.npz")
    return pruned(sample_shape(), decided)
