"""Frames of a sweep: students, teachers, curve, grid; of entered runs and of real ones."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax

from sparsekd.catalog import rankings
from sparsekd.errors import BadInput
from sparsekd.runs import references, store
from sparsekd.studies import recipes
from sparsekd.studies.sweeps import sweep, sweep_results
from tests import workshop
from tests.studies.sweeps.sweep_results.sample_plan import TRAIN, finished, spec
from tests.studies.sweeps.sweep_results.sample_tries import concluded


def test_every_student_has_a_row_finished_or_not(home: Path):
    plan = sweep.plan(spec())
    failed = next(step.recipe.run_id for step in plan.steps if step.role == "student")
    found = sweep_results.students(finished(plan, but=failed))
    assert set(found["run"]) == set(sweep.cells(plan)["run"])
    done = found[found["state"] == "done"]
    assert set(done["split"]) == {"selection", "validation"}
    assert done["value"].notna().all()
    (row,) = found[found["run"] == failed].to_dict("records")
    assert row["state"] == "failed"
    assert pd.isna([row["split"], row["metric"], row["value"]]).all()
    assert sweep_results.students(sweep.plan(spec(seeds=(7,))))["state"].tolist()[-1] == ""


def test_the_distance_of_teacher_and_trial_student_is_their_mean_kl_divergence(home: Path):
    plan = finished(sweep.plan(spec()))
    cells = sweep.cells(plan)
    found = sweep_results.teachers(plan)
    own = found[(found["split"] == "validation") & (found["ranking"] == "scores")]
    row = own.iloc[0]
    trial = cells[(cells["ranking"] == "dense") & (cells["attempt"] == 0)].set_index("seed")
    teacher, student = (
        np.load(store.folder(name) / "logits-selection.npy")
        for name in (row["run"], trial.loc[int(row["seed"]), "run"])
    )
    t, s = softmax(teacher / 2, axis=1), softmax(student / 2, axis=1)
    assert row["distance"] == pytest.approx((t * np.log(t / s)).sum(axis=1).mean())
    # The dense teacher and rankings of weights serve all seeds; the others are one per seed.
    shared = {"dense", *rankings.names("weights")}
    runs = found.drop_duplicates("run")
    expected = {"scores": 4, "random": 2} | dict.fromkeys(shared, 1)
    assert runs["ranking"].value_counts().to_dict() == expected
    assert set(runs.loc[runs["seed"].isna(), "ranking"]) == shared


def test_missing_logits_leave_no_distance_and_damaged_ones_are_refused(home: Path):
    plan = finished(sweep.plan(spec()))
    name = sweep.cells(plan).query("ranking == 'scores'")["teacher"].iloc[0]
    path = store.folder(name) / "logits-selection.npy"
    path.unlink()
    found = sweep_results.teachers(plan).set_index("run")
    assert found.loc[name, "distance"].isna().all()
    path.write_bytes(b"no array")
    with pytest.raises(BadInput, match=r"logits-selection\.npy is damaged"):
        sweep_results.teachers(plan)


def test_a_curve_has_student_and_teacher_and_a_grid_has_the_dense_cell_at_sparsity_0(home: Path):
    plan = finished(sweep.plan(spec()))
    students, teachers = sweep_results.students(plan), sweep_results.teachers(plan)
    curve = sweep_results.curve(students, teachers, "validation", "accuracy").set_index("ranking")
    assert set(curve["seeds"]) == {2}
    assert math.isnan(curve.loc["none", "teacher_mean"])
    dense = teachers[(teachers["ranking"] == "dense") & (teachers["split"] == "validation")]
    assert curve.loc["dense", "teacher_mean"] == dense["value"].iloc[0]
    grid = sweep_results.grid(students, "vanilla", "validation", "accuracy")
    assert list(zip(grid["lam"], grid["sparsity"], strict=True)) == [
        (0, 0),
        (0, 0.5),
        (1, 0),
        (1, 0.5),
    ]
    assert grid["values"][0] == grid["values"][2]
    assert grid["mean"][1] == pytest.approx(np.mean(grid["values"][1]))


# --- a real study ----------------------------------------------------------------------------


def test_a_small_sweep_that_really_ran_is_read_back(home: Path):
    folder = workshop.task_folder(home / "task")
    task = references.task(str(folder)).name
    checkpoint = references.model(str(workshop.checkpoint_folder(home / "checkpoint")))
    teacher = recipes.finetune(task, checkpoint, TRAIN)
    plan = sweep.plan(spec(task=task, teacher=teacher, sparsities=(0.5,), lams=(0.5,)))
    for step in plan.steps:
        workshop.done(step.recipe)
    students, teachers = sweep_results.students(plan), sweep_results.teachers(plan)
    assert (students["state"] == "done").all()
    assert (teachers["distance"] > 0).all()
    assert sweep_results.unfinished(plan).empty
    words = concluded(students).sentence
    assert words.startswith("Inconclusive against the dense teacher: ")
    assert "2 of at least 5 seeds" in words
    assert set(sweep_results.stability(plan)["units"]) == {"heads", "neurons"}
