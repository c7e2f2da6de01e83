"""What a comparison says: costs of a student and of what was made for it; widened verdicts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from sparsekd.runs import jobs, store
from sparsekd.runs.records import Outcome, Plan, Run, State
from sparsekd.studies import comparison, comparison_results
from sparsekd.studies.stats import interval
from tests.studies.test_comparison import asked

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
    monkeypatch.setattr("sparsekd.runs.jobs.wake", lambda: None)
    return tmp_path


def cost(*methods: str) -> dict[str, dict]:
    plan = finish(comparison.plan(asked(*methods)))
    return {row["method"]: row for row in comparison_results.rows(plan)}


# --- rows ------------------------------------------------------------------------------------


def test_there_is_one_row_per_student_and_seed_on_the_data_that_chose_nothing():
    plan = finish(comparison.plan(asked("fine_tuning", "vanilla:sparse_teacher", seeds=(0, 1))))
    rows = comparison_results.rows(plan)
    assert [(row["method"], row["seed"], row["split"]) for row in rows] == [
        (method, seed, "validation")
        for seed in (0, 1)
        for method in ("fine_tuning", "vanilla:sparse_teacher")
    ]
    assert [row["metrics"]["accuracy"] for row in rows] == [0.8, 0.8, 0.81, 0.81]
    assert [row["teachers"] for row in rows[:2]] == [[], ["sparse_teacher"]]


def test_students_on_the_way_count_as_extra_steps_and_time():
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


def test_costs_are_means_over_seeds():
    plan = finish(comparison.plan(asked("vanilla", "knowledge_selection", seeds=(0, 1))))
    found = comparison_results.costs(plan).set_index("role")
    assert found.loc["knowledge_selection", "extra_steps"] == 400
    assert found["seeds"].tolist() == [2, 2]


def test_what_is_not_there_says_why_and_what_waits_for_it_says_the_same():
    plan = finish(comparison.plan(asked("vanilla", "vanilla:sparse_teacher")), but="scores")
    (entry,) = comparison_results.unfinished(plan)
    assert entry["method"] == "vanilla:sparse_teacher"
    assert entry["reason"] == "The disk is full. Free it."
    assert [row["method"] for row in comparison_results.rows(plan)] == ["vanilla"]


def test_asking_again_queues_what_failed_and_nothing_else():
    plan = finish(comparison.plan(asked("vanilla", "fine_tuning")), but="fine_tuning")
    runs: list[Run] = jobs.submit_plan(plan)
    states = [run.state for run in runs]
    assert states.count(State.QUEUED) == 1
    assert states.count(State.DONE) == len(states) - 1


# --- verdicts --------------------------------------------------------------------------------


def values(found: dict[str, list[float]]) -> pd.DataFrame:
    rows = [
        {"role": role, "seed": seed, "split": "validation", "metric": "accuracy", "value": value}
        for role, numbers in found.items()
        for seed, value in enumerate(numbers)
    ]
    return pd.DataFrame(rows)


GAPS = [0.01, 0.02, 0.03, 0.02, 0.04]
CONTROL = [0.5, 0.6, 0.7, 0.8, 0.9]
RAISED = [one + gap for one, gap in zip(CONTROL, GAPS, strict=True)]


def judged(ways: list[str], against: str = "vanilla") -> pd.Series:
    frame = values({"vanilla": CONTROL, "pkd": RAISED})
    found = comparison_results.differences(frame, "validation", "accuracy", against, ways)
    return found.iloc[0]


def test_the_interval_is_the_textbook_one_at_the_shared_confidence():
    row = judged(["vanilla", "pkd", "internal", "minilm", "fine_tuning"])
    # Four differences: each at 1 − 0.05/4. Mean 0.024, standard deviation 0.01140, five seeds.
    half = stats.t.ppf(1 - 0.0125 / 2, 4) * np.std(GAPS, ddof=1) / np.sqrt(5)
    assert row["confidence"] == pytest.approx(0.9875)
    assert row["difference"] == pytest.approx(0.024)
    assert (row["low"], row["high"]) == pytest.approx((0.024 - half, 0.024 + half))
    assert row["wins"] == 5


def test_what_is_significant_alone_need_not_be_among_many():
    alone = judged(["vanilla", "pkd"])
    among = judged(["vanilla", "pkd", *(f"internal:{n}" for n in range(60))])
    assert alone["verdict"] == "better"
    assert among["verdict"].startswith("inconclusive")
    # The intervals that a plain pair would have, for comparison.
    assert (alone["low"], alone["high"]) == interval(np.array(RAISED) - np.array(CONTROL))


def test_ways_that_are_not_finished_widen_the_intervals_already():
    assert judged(["vanilla", "pkd", "minilm"])["confidence"] == pytest.approx(0.975)


def test_fewer_than_five_seeds_prove_nothing():
    frame = values({"vanilla": [0.1] * 4, "pkd": [0.91, 0.92, 0.93, 0.94]})
    found = comparison_results.differences(
        frame, "validation", "accuracy", "vanilla", ["vanilla", "pkd"]
    )
    assert found["verdict"][0] == "inconclusive: 4 of at least 5 seeds"


def test_a_lower_loss_is_better():
    frame = values({"vanilla": RAISED, "pkd": CONTROL}).assign(metric="loss")
    found = comparison_results.differences(
        frame, "validation", "loss", "vanilla", ["vanilla", "pkd"]
    )
    assert found["verdict"][0] == "better"
    assert found["wins"][0] == 5


def test_pairs_are_of_one_seed_each():
    frame = values({"vanilla": CONTROL, "pkd": RAISED})
    lacking = frame[~((frame["role"] == "pkd") & (frame["seed"] == 2))]
    found = comparison_results.differences(
        lacking, "validation", "accuracy", "vanilla", ["vanilla", "pkd"]
    )
    assert found["seeds"][0] == 4
    assert found["difference"][0] == pytest.approx(np.mean([0.01, 0.02, 0.02, 0.04]))
