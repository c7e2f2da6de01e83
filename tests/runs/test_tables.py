"""Runs as frames: titles, values that methods log, examples that they inspect."""

from dataclasses import replace

import pandas as pd

from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.runs import store, tables
from sparsekd.runs.records import Event, Outcome, Progress, State
from sparsekd.studies import recipes, stark


def test_every_kind_of_run_has_a_title(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    for step in stark.plan(stark.demo()).steps:
        store.create(step.recipe)
    table = tables.runs_table(store.runs())
    assert len(table) == 8
    assert table["what"].str.len().min() > 10
    assert "Student with no soft labels" in " ".join(table["what"])


def test_runs_of_a_method_or_ranking_that_is_gone_are_still_listed(tmp_path, monkeypatch):
    """A contributor tries a method and changes the branch: the store keeps its runs."""
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    steps = {step.role: step.recipe for step in stark.plan(stark.demo()).steps}
    mask = steps["random_mask_teacher"].params["mask"] | {"kind": "gone_ranking"}
    store.create(replace(steps["student"], method="gone_method"))
    store.create(replace(steps["random_mask_teacher"], params={"mask": mask}))
    store.create(replace(steps["scores"], stage="attribute", variant="gone_ranking"))
    words = " ".join(tables.runs_table(store.runs())["what"])
    assert "gone_method" in words
    assert words.count("gone_ranking") == 2


def test_values_of_a_method_are_those_of_other_kinds_than_loss_and_selection(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    recipe = recipes.distil(
        "t", "vanilla", "hub:a", TrainParams(), VanillaParams(), StudentParams()
    )
    run = store.create(recipe)
    names = ("loss/soft", "selection/accuracy", "weight/response", "reward/gain")
    store.report(run.id, Progress(), [Event(3, name, 0.5) for name in names])
    values = tables.method_values(tables.curves(run.id))
    named = set(zip(values["kind"], values["name"], strict=True))
    assert named == {("weight", "response"), ("reward", "gain")}
    assert values["step"].tolist() == [3, 3]


def test_a_run_without_values_has_an_empty_table(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    assert tables.method_values(tables.curves("nothing")).empty


def test_a_stage_lasts_until_the_next_begins():
    begins = pd.DataFrame({"step": [0, 10, 30], "name": ["layer 1", "layer 2", "soft labels"]})
    spans = tables.stages(begins, last=50)
    assert spans["from"].tolist() == [0, 10, 30]
    assert spans["to"].tolist() == [10, 30, 50]


def test_the_stage_that_has_just_begun_is_visible():
    begins = pd.DataFrame({"step": [0, 10], "name": ["layer 1", "layer 2"]})
    assert tables.stages(begins, last=1)["to"].tolist() == [10, 11]


def test_agreement_is_the_mean_over_examples():
    found = pd.DataFrame(
        {
            "when": ["before", "before", "after", "after"],
            "row": [4, 9, 4, 9],
            "layer": [1, 1, 1, 1],
            "attention_kl": [0.2, 0.4, 0.1, 0.1],
            "text": list("abab"),
        }
    )
    means = tables.agreement(found)
    assert means["measure"].unique().tolist() == ["attention_kl"]
    assert means["value"].round(6).tolist() == [0.3, 0.1]


def test_an_instance_says_who_teaches_it_and_why():
    found = pd.DataFrame(
        {
            "row": [4, 4, 9, 9],
            "teacher": [1, 2, 1, 2],
            "probability": [0.9, 0.2, 0.6, 0.7],
            "chosen": [True, False, True, True],
            "teacher_loss": [0.1, 2.0, 0.3, 0.2],
            "student_loss": [0.5, 0.5, 0.6, 0.6],
            "label": ["good", "good", "bad", "bad"],
            "text": ["a", "a", "b", "b"],
        }
    )
    table = tables.instances(found)
    assert table["taught_by"].tolist() == ["1", "1, 2"]
    assert table["probability of teacher 2"].tolist() == [0.2, 0.7]
    assert table["loss of teacher 1"].tolist() == [0.1, 0.3]
    assert table["text"].tolist() == ["a", "b"]


def last_step(run_id):
    return tables.last_step(store.get(run_id), tables.curves(run_id))


def test_the_last_step_is_that_of_the_training_not_of_the_evaluation(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    recipe = recipes.distil(
        "t", "vanilla", "hub:a", TrainParams(), VanillaParams(), StudentParams()
    )
    run = store.create(recipe)
    store.report(run.id, Progress("epoch 1 of 2", 10, 40), [Event(10, "loss/soft", 0.5)])
    assert last_step(run.id) == 40
    store.report(run.id, Progress("evaluation on validation", 500, 1000), [])
    assert last_step(run.id) == 10
    with store.hold_lock(run.id):
        facts = {"steps": 40, "episode_steps": 80}
        store.finish(run.id, State.DONE, Outcome(facts=facts), 1.0)
    assert last_step(run.id) == 120
