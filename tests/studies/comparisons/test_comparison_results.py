"""Results of a comparison: rows, the cost of a student and of what was made for it, verdicts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sparsekd.runs import jobs, store
from sparsekd.runs.records import Outcome, Plan, Run, State
from sparsekd.studies.comparisons import comparison, comparison_results
from tests.studies.comparisons.test_comparison import asked

STEPS, SECONDS = 100, 2.0


def finish(plan: Plan, but: str = "") -> Plan:
    """Every run done, 100 steps in 2 seconds, except that of one role and what waits for it."""
    store.save_plan(plan)
    done: set[str] = set()
    for step in plan.steps:
        store.create(step.recipe)
        if not done.issuperset(step.recipe.needs):
            continue
        if step.role == but:
            outcome = Outcome(message="The disk is full.", hint="Free it.")
            store.finish(step.recipe.run_id, State.FAILED, outcome, 1.0)
            continue
        facts = {"parameters": 10, "steps": STEPS, "episode_steps": 0, "held_out_passes": 0}
        if step.role == "knowledge_selection":
            facts |= {"episode_steps": 400, "held_out_passes": 32}
        scores = {"accuracy": 0.8 + step.seed / 100, "loss": 0.5}
        outcome = Outcome({"selection": {"accuracy": 0.1}, "validation": scores}, facts)
        store.finish(step.recipe.run_id, State.DONE, outcome, SECONDS)
        done.add(step.recipe.run_id)
    return plan


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    monkeypatch.setattr("sparsekd.runs.jobs.start_queue", lambda: None)
    return tmp_path


def cost(*methods: str) -> dict[str, dict]:
    plan = finish(comparison.plan(asked(*methods)))
    return {row["method"]: row for row in comparison_results.rows(plan)}


# --- rows ------------------------------------------------------------------------------------


def test_every_student_and_seed_has_one_row_on_the_split_that_chose_nothing():
    plan = finish(comparison.plan(asked("fine_tuning", "vanilla:sparse_teacher", seeds=(0, 1))))
    rows = comparison_results.rows(plan)
    assert [(row["method"], row["seed"], row["split"]) for row in rows] == [
        (method, seed, "validation")
        for seed in (0, 1)
        for method in ("fine_tuning", "vanilla:sparse_teacher")
    ]
    assert [row["metrics"]["accuracy"] for row in rows] == [0.8, 0.8, 0.81, 0.81]
    assert [row["teachers"] for row in rows[:2]] == [[], ["sparse_teacher"]]


def test_trial_students_and_assistants_count_as_extra_steps_and_time():
    found = cost("fine_tuning", "vanilla", "vanilla:sparse_teacher", "vanilla:assistant")
    assert {row["steps"] for row in found.values()} == {STEPS}
    extra = {name: (row["extra_steps"], row["extra_seconds"]) for name, row in found.items()}
    assert extra == {
        "fine_tuning": (0, 0),
        "vanilla": (0, 0),
        # the trial student; with it the scores and the pruning
        "vanilla:sparse_teacher": (STEPS, 3 * SECONDS),
        "vanilla:assistant": (STEPS, SECONDS),
    }


def test_a_masked_teacher_costs_no_step_and_training_episodes_do():
    found = cost("vanilla:random_mask", "knowledge_selection")
    masked, selected = found["vanilla:random_mask"], found["knowledge_selection"]
    assert (masked["extra_steps"], masked["extra_seconds"]) == (0, SECONDS)
    assert (selected["steps"], selected["extra_steps"]) == (STEPS, 400)
    assert selected["held_out_passes"] == 32
    assert {row["tries"] for row in found.values()} == {1}


def test_the_decisions_of_a_selector_stand_beside_its_result():
    found = cost("vanilla", "knowledge_selection", "knowledge_selection:80_decisions")
    counts = {name: (row["decisions"], row["random_decisions"]) for name, row in found.items()}
    assert counts == {
        "vanilla": (0, 0),
        # 4 episodes of 7 phases, 2 of them at random; 10 of 8, 7 of them at random
        "knowledge_selection": (28, 14),
        "knowledge_selection:80_decisions": (80, 56),
    }


def test_costs_are_means_over_seeds():
    plan = finish(comparison.plan(asked("vanilla", "knowledge_selection", seeds=(0, 1))))
    found = comparison_results.costs(plan).set_index("role")
    assert found.loc["knowledge_selection", "extra_steps"] == 400
    assert found["seeds"].tolist() == [2, 2]


def test_an_unfinished_student_has_the_reason_of_the_run_that_it_waits_for():
    plan = finish(comparison.plan(asked("vanilla", "vanilla:sparse_teacher")), but="scores")
    (entry,) = comparison_results.unfinished(plan)
    assert entry["method"] == "vanilla:sparse_teacher"
    assert entry["reason"] == "The disk is full. Free it."
    assert [row["method"] for row in comparison_results.rows(plan)] == ["vanilla"]


def test_submitting_again_queues_what_failed_and_nothing_else():
    plan = finish(comparison.plan(asked("vanilla", "fine_tuning")), but="fine_tuning")
    runs: list[Run] = jobs.submit_plan(plan)
    states = [run.state for run in runs]
    assert states.count(State.QUEUED) == 1
    assert states.count(State.DONE) == len(states) - 1


# --- verdicts --------------------------------------------------------------------------------

GAPS = [0.01, 0.02, 0.03, 0.02, 0.04]
CONTROL = [0.5, 0.6, 0.7, 0.8, 0.9]
RAISED = [one + gap for one, gap in zip(CONTROL, GAPS, strict=True)]


def values(metric: str = "accuracy", **by_role: list[float]) -> pd.DataFrame:
    rows = [
        {"role": role, "seed": seed, "run": f"{role}-{seed}"}
        | {"split": "validation", "metric": metric, "value": value}
        | {"teacher_seed": 0, "teachers": 1}
        for role, numbers in by_role.items()
        for seed, value in enumerate(numbers)
    ]
    return pd.DataFrame(rows)


def compared(planned: list[str], **by_role: list[float]) -> pd.DataFrame:
    frame = values(**by_role)
    return comparison_results.differences(frame, "validation", "accuracy", "vanilla", planned)


def test_each_variant_is_compared_with_the_one_chosen():
    found = compared(["fine_tuning", "vanilla", "pkd"], vanilla=CONTROL, pkd=RAISED)
    assert found[["role", "what"]].to_numpy().tolist() == [["pkd", "Patient distillation (PKD)"]]
    assert found["difference"][0] == pytest.approx(np.mean(GAPS))
    assert found["wins"][0] == 5


def test_what_is_significant_alone_need_not_be_among_many():
    alone = compared(["vanilla", "pkd"], vanilla=CONTROL, pkd=RAISED)
    planned = ["vanilla", "pkd", *(f"internal:{n}" for n in range(60))]
    among = compared(planned, vanilla=CONTROL, pkd=RAISED)
    assert (alone["verdict"][0], among["verdict"][0]) == ("better", "inconclusive")
    assert among["reason"][0] == "not significant after correction for 61 comparisons"


def test_nothing_finished_gives_no_row():
    assert compared(["vanilla", "pkd"], vanilla=CONTROL).empty
    nothing = values(vanilla=CONTROL)[:0]
    assert comparison_results.differences(
        nothing, "validation", "accuracy", "vanilla", ["vanilla", "pkd"]
    ).empty


def with_teachers(*gaps: list[float], planned: int = 2) -> pd.DataFrame:
    """Verdicts where the differences with each teacher are these, seed by seed."""
    tables = []
    for seed, own in enumerate(gaps):
        raised = [one + gap for one, gap in zip(CONTROL, own, strict=True)]
        table = values(vanilla=CONTROL, pkd=raised)
        tables.append(table.assign(teacher_seed=seed, teachers=planned))
    frame = pd.concat(tables)
    return comparison_results.differences(
        frame, "validation", "accuracy", "vanilla", ["vanilla", "pkd"]
    )


def test_two_teachers_are_pooled_and_their_spread_is_in_the_error():
    found = with_teachers(GAPS, [gap + 0.02 for gap in GAPS]).iloc[0]
    assert found["difference"] == pytest.approx(np.mean(GAPS) + 0.01)
    assert (found["seeds"], found["teachers"], found["wins"]) == (5, 2, 5)
    assert found["seed_error"] == pytest.approx(np.std(GAPS, ddof=1) / np.sqrt(5))
    assert found["teacher_error"] == pytest.approx(0.01)
    # Significant with the first teacher alone, but two say too little about new ones.
    assert compared(["vanilla", "pkd"], vanilla=CONTROL, pkd=RAISED)["verdict"][0] == "better"
    assert found["verdict"] == "inconclusive"


def test_five_teachers_that_agree_give_a_verdict():
    gaps = [[gap + shift for gap in GAPS] for shift in (-0.002, -0.001, 0, 0.001, 0.002)]
    found = with_teachers(*gaps, planned=5).iloc[0]
    assert (found["verdict"], found["teachers"]) == ("better", 5)


def test_a_teacher_that_is_not_finished_leaves_no_verdict():
    assert with_teachers(GAPS, GAPS, planned=3).empty


def test_vanilla_distillation_is_the_baseline_where_it_is_there():
    assert comparison_results.baseline(["pkd", "fine_tuning", "vanilla"]) == "vanilla"
    assert comparison_results.baseline(["pkd", "fine_tuning"]) == "fine_tuning"
    assert comparison_results.baseline(["pkd", "minilm"]) == "pkd"
