"""Ablations of the sample study's teacher, written by hand."""

from typing import Any

import numpy as np

from sparsekd.catalog.stage_parameters import AblateParams
from sparsekd.runs import store
from sparsekd.runs.records import Outcome, Plan, Run, State
from sparsekd.studies import recipes
from sparsekd.units import masking
from sparsekd.units.ablation import GROUPS, HEADS, NEURONS, Ablation, ranked_groups
from tests.sample_study import HEADS as WIDTH
from tests.sample_study import LAYERS, sample_scores
from tests.sample_study import NEURONS as NEURON_COUNT

GROUP_COUNT = 8


def run_of(plan: Plan, role: str) -> Run:
    """Return the first run of a role."""
    return next(store.get(step.recipe.run_id) for step in plan.steps if step.role == role)


def sample_ablation(
    student: bool = True, single: int | None = None, exactly_e: bool = False
) -> Ablation:
    """Return random changes; with `exactly_e`, removing a head harms as expressiveness says.

    Args:
        single: The layer whose neurons were removed one by one.
    """
    drawn = np.random.default_rng(3)
    arrays: dict[str, Any] = {name: drawn.normal(size=(LAYERS, WIDTH)) for name in HEADS}
    arrays |= {name: drawn.normal(size=(LAYERS, GROUP_COUNT)) for name in GROUPS}
    if single is not None:
        arrays |= {name: drawn.normal(size=NEURON_COUNT) for name in NEURONS}
    if exactly_e:
        arrays["head_task_loss"] = masking.knowledgeableness(sample_scores(), 1.0)[0]
    arrays["dense"] = np.array([0.5, 0.9, 0.1])
    if not student:
        for name in [name for name in arrays if name.endswith("distance")]:
            arrays[name] = np.full_like(arrays[name], np.nan)
        arrays["dense"][2] = np.nan
    arrays["groups"] = ranked_groups(drawn.random((LAYERS, NEURON_COUNT)), GROUP_COUNT)
    made = {"metric": "accuracy", "split": "selection", "examples": 160, "ranked_by": "magnitude"}
    return Ablation(**arrays, neuron_layer=single, provenance=made)


def ablated(plan: Plan, found: Ablation) -> Run:
    """Write what a finished run leaves that ablated the teacher of a study."""
    teacher = run_of(plan, "teacher")
    student = run_of(plan, "trial_student").id if found.with_student else ""
    params = AblateParams(examples=160, neuron_layer=found.neuron_layer)
    recipe = recipes.ablate(teacher.recipe.task, teacher.id, params, 64, student)
    store.create(recipe)
    folder = store.folder(recipe.run_id)
    folder.mkdir(parents=True, exist_ok=True)
    found.save(folder / "ablation.npz")
    store.finish(recipe.run_id, State.DONE, Outcome({}, {"examples": 160}), 3.0)
    return store.get(recipe.run_id)
