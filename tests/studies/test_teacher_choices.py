"""The agreement of selected teachers with the oracle's choices: a row per way to select."""

from pathlib import Path

from sparsekd.runs import store
from sparsekd.runs.records import Outcome, State
from sparsekd.studies import teacher_choices
from sparsekd.studies.comparisons import comparison
from tests.studies.comparisons.test_comparison import asked


def test_a_row_is_the_mean_over_seeds_and_what_selects_no_teacher_has_none(home: Path) -> None:
    names = ("vanilla", "teacher_selection", "teacher_selection:ensemble")
    plan = comparison.plan(asked(*names, count=2, seeds=(0, 1)))
    for step in plan.steps:
        store.create(step.recipe)
        found = {"oracle": 0.6 + step.seed / 10, "equal": 0.8, "chance": 0.5}
        facts = {"choice_agreement": found} if step.role == "teacher_selection" else {}
        store.finish(step.recipe.run_id, State.DONE, Outcome(facts=facts), 1.0)

    (row,) = teacher_choices.table(plan, store.plan_runs(plan)).to_dict("records")

    assert row["role"] == "teacher_selection"
    assert (round(row["oracle"], 6), row["equal"], row["chance"], row["seeds"]) == (
        0.65,
        0.8,
        0.5,
        2,
    )


def test_the_words_of_a_run_have_its_numbers_beside_chance() -> None:
    words = teacher_choices.in_words(
        {"choice_agreement": {"oracle": 0.625, "equal": 0.7, "chance": 0.25}}
    )
    assert "0.62" in words and "0.70" in words and "0.25" in words
    assert teacher_choices.in_words({}) == ""
