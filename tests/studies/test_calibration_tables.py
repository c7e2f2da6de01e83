"""Calibration of the models of a plan, before and after a temperature."""

from pathlib import Path

import numpy as np
import pytest

from sparsekd.runs import references, store
from sparsekd.studies import calibration_tables, models
from sparsekd.tasks import calibration, find
from sparsekd.tasks.labels import UNLABELLED
from tests.sample_study import fill_plan, sample_plan


def test_the_temperature_comes_from_the_selection_split_alone(home: Path) -> None:
    plan = fill_plan(sample_plan(seeds=(0, 1)))
    card, found = references.card(plan.task), models.answers(plan, "validation")
    student = next(one for one in found if (one.role, one.seed) == ("student", 1))
    logits, labels = (
        np.load(student.run.folder / f"{name}-selection.npy") for name in ("logits", "labels")
    )
    temperature = calibration.fitted_temperature(card, logits, labels)

    rows = calibration_tables.rows(card, found).set_index("run")

    assert rows.loc[student.run.id, "temperature"] == pytest.approx(temperature)
    logits, labels = student.outputs
    after = calibration.error(*calibration.confidences(card, logits / temperature, labels))
    assert rows.loc[student.run.id, "error_scaled"] == pytest.approx(after)


def test_examples_whose_label_the_run_did_not_know_fit_no_temperature(home: Path) -> None:
    plan = fill_plan(sample_plan())
    card, found = references.card(plan.task), models.answers(plan, "validation")
    folder = found[0].run.folder
    logits, labels = (np.load(folder / f"{name}-selection.npy") for name in ("logits", "labels"))
    expected = calibration.fitted_temperature(card, logits[:100], labels[:100])
    known = np.where(np.arange(len(labels)) < 100, labels, UNLABELLED)
    np.save(folder / "labels-selection.npy", known)

    rows = calibration_tables.rows(card, found)

    assert rows["temperature"][0] == pytest.approx(expected)


def test_bins_count_the_examples_of_all_seeds(home: Path) -> None:
    plan = fill_plan(sample_plan(seeds=(0, 1)))
    card, found = references.card(plan.task), models.answers(plan, "validation")
    rows = calibration_tables.rows(card, found)

    bins = calibration_tables.bins(card, found, rows)

    sizes = bins.groupby(["role", "scaled"])["examples"].sum()
    examples = len(found[0].outputs[1])
    assert set(sizes["student"]) == {2 * examples}
    assert set(sizes["teacher"]) == {examples}
    own = bins[(bins["role"] == "student") & ~bins["scaled"]]
    hits = (own["accuracy"] * own["examples"]).sum() / own["examples"].sum()
    of_student = rows[rows["role"] == "student"]
    assert hits == pytest.approx(of_student["accuracy"].mean())


def test_a_run_without_answers_on_the_selection_split_has_no_temperature(home: Path) -> None:
    plan = fill_plan(sample_plan())
    card, found = references.card(plan.task), models.answers(plan, "validation")
    (store.folder(found[0].run.id) / "logits-selection.npy").unlink()

    rows = calibration_tables.rows(card, found)

    assert rows["temperature"].isna().tolist() == [True] + [False] * (len(rows) - 1)
    assert rows["error"].notna().all()
    first = calibration_tables.bins(card, found, rows).query("role == 'teacher'")
    assert not first["scaled"].any()


def test_numbers_have_no_calibration(home: Path) -> None:
    plan = fill_plan(sample_plan())
    found = models.answers(plan, "validation")
    card = find("demo/similarity")

    rows = calibration_tables.rows(card, found)

    assert calibration_tables.summary(rows).empty
    assert calibration_tables.bins(card, found, rows).empty
