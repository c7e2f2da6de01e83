"""Equal tuning: every variant with every value, chosen on the selection split, reported once."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from sparsekd.cli.parser import parse
from sparsekd.errors import BadInput, NotFound, SparseKDError
from sparsekd.runs import references, store
from sparsekd.runs.records import Outcome, Plan, State
from sparsekd.studies import command, results, roles, soft_labels, titles, tuning
from sparsekd.studies.comparisons import (
    comparison,
    comparison_results,
    comparison_spec,
    settings,
    variants,
)
from sparsekd.studies.launch import plan_launch, variant_costs
from tests.studies.comparisons.test_comparison import TASK, asked

RATES = ("1e-4", "3e-4", "1e-3")
SELECTED = {1e-4: (0.6, 0.8), 3e-4: (0.9, 0.7), 1e-3: (0.9, 0.5)}
"""Accuracy on the selection split by learning rate and seed: 0.0003 has the best mean."""
FALLING = ("5e-4", "1e-4")  # the first is the demo students' default
CHANGED = {"changes": {"vanilla": {"alpha": 0.7}}}
REPORTED = {1e-4: 0.99, 3e-4: 0.5, 1e-3: 0.98}


@pytest.fixture(autouse=True)
def use_home(home: object) -> None:
    """Each test has a store of its own."""


def tuned(*methods: str, seeds: tuple[int, ...] = (0, 1), **changes: Any) -> Plan:
    """A comparison with three learning rates."""
    changes = {"tune": {"learning_rate": RATES}} | changes
    return comparison.plan(asked(*methods, seeds=seeds, **changes))


def finish(
    plan: Plan,
    selected: Mapping[float, tuple[float, ...]] = SELECTED,
    without: tuple[tuple[str, float, int], ...] = (),
) -> Plan:
    """End every run with the accuracies of its learning rate, but some by role, rate and seed."""
    store.save_plan(plan)
    for step in plan.steps:
        store.create(step.recipe)
        rate = step.recipe.params.get("train", {}).get("learning_rate", 3e-4)
        rate = rate if rate in selected else 3e-4
        if (step.role, rate, step.seed) in without:
            continue
        facts = {"parameters": 10, "steps": 100, "episode_steps": 0, "held_out_passes": 0}
        metrics = {
            "selection": {"accuracy": selected[rate][step.seed]},
            "validation": {"accuracy": REPORTED[rate], "loss": 1.0},
        }
        store.finish(step.recipe.run_id, State.DONE, Outcome(metrics, facts), 2.0)
    return plan


def rates(plan: Plan, role: str) -> list[float]:
    return [s.recipe.params["train"]["learning_rate"] for s in plan.steps if s.role == role]


# --- the plan --------------------------------------------------------------------------------


def test_every_variant_is_trained_with_every_value_on_every_seed():
    names = ("fine_tuning", "vanilla", "pkd", "vanilla:random_mask")
    plan = tuned(*names)
    for name in names:
        assert rates(plan, name) == [1e-4, 3e-4, 1e-3] * 2
    made = [step for step in plan.steps if step.role == "random_mask_teacher"]
    assert len(made) == 2  # one per seed, for all values


def test_runs_are_those_of_a_comparison_without_tuning():
    train, _ = comparison_spec.defaults("demo:")
    alone = comparison.plan(
        asked("vanilla", "fine_tuning", train=train.changed({"learning_rate": 3e-4}))
    )
    ids = {step.recipe.run_id for step in alone.steps}
    assert ids <= {step.recipe.run_id for step in tuned("vanilla", "fine_tuning").steps}


def test_several_parameters_are_tried_in_all_pairs_and_only_where_a_method_has_them():
    tune = {"alpha": ("0.2", "0.8"), "learning_rate": RATES}
    plan = tuned("fine_tuning", "vanilla", "tfidf", seeds=(0,), tune=tune)
    found = tuning.tuning(plan)
    assert found is not None
    counts = {role: len(tries) for role, tries in found.tries.items()}
    assert counts == {"fine_tuning": 3, "vanilla": 6, "tfidf": 1}
    assert [tuple(one.values.values()) for one in found.tries["vanilla"]] == [
        (rate, alpha) for alpha in (0.2, 0.8) for rate in (1e-4, 3e-4, 1e-3)
    ]
    assert found.names == ["alpha", "learning_rate"]


def test_a_trial_student_is_not_tuned_and_keeps_its_place_among_the_tries_of_vanilla():
    train, _ = comparison_spec.defaults("demo:")
    values = ("1e-4", str(train.learning_rate))
    plan = tuned("vanilla:sparse_teacher", "vanilla", seeds=(0,), tune={"learning_rate": values})
    assert rates(plan, "vanilla") == [1e-4, train.learning_rate]
    assert rates(plan, "vanilla:sparse_teacher") == [1e-4, train.learning_rate]
    (scores,) = [step.recipe for step in plan.steps if step.role == "scores"]
    trial = next(step for step in plan.steps if step.recipe.run_id == scores.inputs["student"])
    assert trial.recipe.params["train"] == train.values()


@pytest.mark.parametrize(
    ("tune", "kind", "words"),
    [
        ({"learning_rat": ("1", "2")}, NotFound, "no number to tune 'learning_rat'"),
        ({"answers": ("labels", "shuffled")}, NotFound, "no number to tune 'answers'"),
        ({"learning_rate": ("1e-4",)}, BadInput, "nothing to choose from"),
        ({"learning_rate": ("1e-4", "0.0001")}, BadInput, "given twice"),
        ({"learning_rate": ("1e-4", "2")}, BadInput, "learning_rate = '2'"),
        ({"alpha": ("0.5", "2")}, BadInput, "alpha = '2'"),
        ({"alpha": ("0.5", "many")}, BadInput, "alpha = 'many'"),
        ({"labelled": ("50", "100")}, BadInput, "decides the data"),
        ({"inner_share": ("0.2", "0.5")}, NotFound, "inner_share"),
    ],
)
def test_what_cannot_be_tuned_is_refused_before_any_run(
    tune: dict[str, tuple[str, ...]], kind: type[SparseKDError], words: str
):
    with pytest.raises(kind, match=words):
        tuned("vanilla", tune=tune)


def test_the_cost_before_the_launch_counts_every_try():
    names = ("vanilla", "vanilla:sparse_teacher", "knowledge_selection")
    plan = tuned(*names, changes={"knowledge_selection": {"episodes": 2}})
    # One teacher; for each seed 3 + 3 + 3 students, of which a third method takes 2 episodes each,
    # a trial student, scores and a sparse teacher.
    assert plan_launch(plan).trainings == 2 * (3 + 3 + 3 * 3 + 1)
    costs = variant_costs(plan, 100).set_index("method")
    assert list(costs["tries"]) == [3, 3, 3]
    assert list(costs["extra trainings"]) == [2, 8, 3]


def test_the_longest_training_is_the_one_estimated():
    spec = asked("vanilla", tune={"epochs": ("2", "7"), "batch_size": ("64", "8")})
    longest = settings.longest_training(spec)
    assert (longest.epochs, longest.batch_size) == (7, 8)


def test_every_method_can_be_tuned_in_the_training_and_its_own_numbers():
    assert {"learning_rate", "epochs", "alpha", "temperature"} <= set(settings.tunable(["vanilla"]))
    assert "alpha" not in settings.tunable(["fine_tuning"])
    for name in variants.all_names(1):
        assert not set(settings.DATA) & set(settings.tunable([name]))


# --- the choice ------------------------------------------------------------------------------


def test_the_best_mean_on_the_selection_split_is_reported_and_nothing_else():
    plan = finish(tuned("vanilla", "fine_tuning"))
    frame = results.study_frame(plan)
    shown = frame[(frame["metric"] == "accuracy") & (frame["role"] != "teacher")]
    # 0.0003 has the best mean, 0.8, and the worst reported accuracy.
    assert set(shown["value"]) == {REPORTED[3e-4]}
    assert len(shown) == 4
    rows = comparison_results.rows(plan)
    assert [row["tries"] for row in rows] == [3] * 4
    # Two further tries of 100 steps and 2 seconds each.
    spent = {(row["steps"], row["extra_steps"], row["extra_seconds"]) for row in rows}
    assert spent == {(100, 200, 4.0)}
    assert list(comparison_results.costs(plan)["tries"]) == [3, 3]


def test_the_softness_of_labels_is_that_of_the_chosen_setting():
    plan = finish(tuned("vanilla"))
    for step in plan.steps:
        run = store.get(step.recipe.run_id)
        rate = step.recipe.params["train"]["learning_rate"]
        soft = (
            {"soft_label_entropy": rate, "teacher_temperature": 2.0}
            if run.recipe.method == "vanilla"
            else {}
        )
        store.finish(run.id, State.DONE, replace(run.outcome, facts=run.outcome.facts | soft), 2.0)
    found = soft_labels.table(plan, store.plan_runs(plan))
    assert (found["entropy"].item(), found["seeds"].item()) == (pytest.approx(3e-4), 2)


def test_the_table_has_every_try_with_its_mean():
    found = tuning.tuning(finish(tuned("vanilla")))
    assert found is not None
    table = found.table()
    assert list(table["selected"]) == pytest.approx([0.7, 0.8, 0.7])
    assert list(table["chosen"]) == [False, True, False]
    words = ["learning rate 0.0001", "learning rate 0.0003", "learning rate 0.001"]
    assert list(table["setting"]) == words
    assert json.loads(json.dumps(list(table["values"])))[1] == {"learning_rate": 3e-4}


def test_of_equal_means_the_first_given_is_chosen():
    same = {rate: (0.5, 0.5) for rate in SELECTED}
    plan = finish(tuned("vanilla", tune={"learning_rate": ("1e-3", "1e-4", "3e-4")}), same)
    assert set(rates(tuning.reported(plan), "vanilla")) == {1e-3}


def test_a_value_that_lacks_a_seed_is_not_chosen():
    plan = finish(tuned("vanilla", "fine_tuning"), without=(("vanilla", 3e-4, 1),))
    kept = tuning.reported(plan)
    assert set(rates(kept, "vanilla")) == {1e-4}  # 0.001 has the same mean, and comes later
    assert set(rates(kept, "fine_tuning")) == {3e-4}
    found = tuning.tuning(plan)
    assert found is not None
    assert any("2 of 3 settings are finished" in words for words in tuning.notes(found))


def test_without_a_complete_value_a_variant_is_planned_and_not_reported():
    gone = tuple(("vanilla", rate, 0) for rate in SELECTED)
    plan = finish(tuned("vanilla", "fine_tuning"), without=gone)
    assert set(results.study_frame(plan)["role"]) == {"teacher", "fine_tuning"}
    assert comparison_results.variants(plan) == ["vanilla", "fine_tuning"]
    found = tuning.tuning(plan)
    assert found is not None
    assert any("none is chosen yet" in words for words in tuning.notes(found))


def test_a_parameter_that_a_method_lacks_is_said():
    tune = {"alpha": ("0.2", "0.5", "0.8"), "learning_rate": RATES}
    plan = finish(tuned("fine_tuning", "vanilla", "tfidf", tune=tune))
    found = tuning.tuning(plan)
    assert found is not None
    words = tuning.notes(found)
    baseline = "TF-IDF and logistic regression"
    assert words[:2] == [
        f"α was not tuned for {roles.title('fine_tuning')}; {baseline}: these methods have none.",
        f"Learning rate was not tuned for {baseline}: the method has none.",
    ]


def test_a_chosen_value_at_an_end_is_said_unless_no_further_one_is_allowed():
    rising = {1e-4: (0.1, 0.1), 3e-4: (0.2, 0.2), 1e-3: (0.3, 0.3)}
    found = tuning.tuning(finish(tuned("vanilla", "fine_tuning"), rising))
    assert found is not None
    (words,) = tuning.notes(found)
    assert "learning rate 0.001 is the largest tried: a larger one may be better" in words
    assert f"Vanilla distillation; {roles.title('fine_tuning')}" in words

    plan = finish(tuned("vanilla", tune={"alpha": ("1", "0.5")}))  # all equal: the first, 1
    found = tuning.tuning(plan)
    assert found is not None
    assert tuning.notes(found) == []

    falling = {1e-4: (0.9, 0.9), 3e-4: (0.2, 0.2), 1e-3: (0.1, 0.1)}
    found = tuning.tuning(finish(tuned("pkd"), falling))
    assert found is not None
    assert "is the smallest tried: a smaller one may be better" in tuning.notes(found)[0]


def test_tries_have_titles_of_their_own_and_only_the_chosen_one_is_a_model_of_the_study():
    plan = finish(tuned("vanilla", "fine_tuning"))
    names = titles.run_titles(plan)
    assert len(set(names.values())) == len(names)
    assert "Vanilla distillation, learning rate 0.001, seed 1" in names.values()
    assert len(titles.titled_models(plan)) == 1 + 2 * 2


def test_a_comparison_without_tuning_is_left_as_it_is():
    plan = comparison.plan(asked("vanilla", "fine_tuning", seeds=(0, 1)))
    assert tuning.tuning(plan) is None
    assert tuning.reported(plan) is plan


@pytest.mark.parametrize(
    ("methods", "changes"),
    [
        (("vanilla", "fine_tuning", "tfidf"), {}),
        (("pkd", "vanilla:sparse_teacher", "vanilla"), {"tune": {"learning_rate": FALLING}}),
        (("vanilla", "vanilla:assistant"), {"tune": {"alpha": ("0.9", "0.5"), "epochs": "32"}}),
        (("vanilla:sparse_teacher", "vanilla"), {"tune": {"alpha": ("0.5", "0.7")}} | CHANGED),
    ],
)
def test_the_command_line_of_a_tuned_comparison_repeats_it(
    methods: tuple[str, ...], changes: dict[str, Any]
):
    plan = tuned(*methods, **changes)
    words = shlex.split(command.command(plan))[3:]
    _, request = parse(words)
    assert "--tune" in words
    assert comparison.plan(request.comparison(references.card(TASK))) == plan
