"""The result of a comparison: verdict, table, seeds, baseline."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from sparsekd.runs import store
from sparsekd.runs.records import Outcome, Plan, State
from sparsekd.studies import recipes, roles
from sparsekd.studies.comparisons import comparison, comparison_spec
from tests.pages.conftest import table
from tests.sample_study import DEMO_TRAINING, SKILL, fill_plan

Open = Callable[..., AppTest]
COMPARE, DISTIL = "pages/student/compare.py", "pages/student/distil.py"
NAMES = ("fine_tuning", "vanilla", "vanilla:sparse_teacher", "vanilla:random_mask")
SKILLS = {
    "teacher_2": 0.9,
    "fine_tuning": 0.7,
    "vanilla": 0.8,
    "vanilla:sparse_teacher": 0.95,
    "vanilla:random_mask": 0.8,
}


def variants_of(seeds: int = 2, methods: tuple[str, ...] = NAMES, **tune: tuple[str, ...]) -> Plan:
    """A comparison of four variants on a demo task."""
    teachers = tuple(
        recipes.finetune("demo/sentiment", name, DEMO_TRAINING)
        for name in ("demo:", "demo:distilbert")
    )
    _, student = comparison_spec.defaults("demo:")
    asked = comparison_spec.ComparisonSpec(
        "demo/sentiment", methods, teachers, DEMO_TRAINING, student, seeds=tuple(range(seeds))
    )
    return comparison.plan(replace(asked, tune=tune))


@pytest.fixture
def skills(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the quality of the written models of a comparison."""
    for role, skill in SKILLS.items():
        monkeypatch.setitem(SKILL, role, skill)


@pytest.fixture
def compared(home: object, skills: None) -> Plan:
    return fill_plan(variants_of())


def test_few_seeds_give_no_verdict_and_every_variant_is_shown_with_its_seeds_and_costs(
    open_page: Open, compared: Plan
) -> None:
    app = open_page(COMPARE)

    words = app.info[0].value.replace("\\", "")
    assert "the best mean, Vanilla distillation, sparse teacher" in words
    assert "2 of at least 5 seeds" in words
    # The table has every variant with its costs, the best first.
    shown = table(app, "extra_steps").set_index("what")
    assert set(shown.index[:-1]) == set(map(roles.title, NAMES))
    assert shown.index[-1] == "Majority class"
    assert list(shown["mean"]) == sorted(shown["mean"], reverse=True)
    costs = shown[["steps", "extra_steps", "tries"]]
    assert list(costs.loc[roles.title("vanilla:sparse_teacher")]) == [400, 400, 1]
    assert list(costs.loc["Vanilla distillation"]) == [400, 0, 1]
    # Every seed is shown as a number.
    shown = table(app, "seed 1").set_index("method")
    for step in compared.steps:
        if roles.is_compared(step.role):
            accuracy = store.get(step.recipe.run_id).outcome.metrics["validation"]["accuracy"]
            assert shown.loc[roles.title(step.role), f"seed {step.seed}"] == accuracy
    # The command is at the end.
    said = app.code[-1].value
    assert said.startswith("python -m sparsekd compare --task demo/sentiment --methods fine_tuning")
    assert "--seeds 2" in said


def test_another_baseline_changes_the_differences_and_the_address(
    open_page: Open, compared: Plan
) -> None:
    app = open_page(COMPARE)
    before = table(app, "difference").set_index("what")["difference"]

    app.selectbox(key="compare.against").select("fine_tuning").run()

    after = table(app, "difference").set_index("what")["difference"]
    assert app.query_params["against"] == "fine_tuning"
    assert any(caption.value.startswith("Exploratory") for caption in app.caption)
    assert after["Vanilla distillation"] == pytest.approx(
        -before["Fine-tuning with no soft labels"]
    )


def test_hiding_some_leaves_the_verdicts_of_the_others(open_page: Open, compared: Plan) -> None:
    whole = table(open_page(COMPARE), "gap").set_index("what")

    app = open_page(COMPARE, v="1", methods="vanilla,vanilla:sparse_teacher")

    shown = table(app, "gap").set_index("what")
    assert len(shown) == 2 + 1  # and the majority class
    name = roles.title("vanilla:sparse_teacher")
    assert shown.loc[name, "gap"] == whole.loc[name, "gap"]


def test_five_seeds_give_a_verdict_at_holm_s_confidence(open_page: Open, skills: None) -> None:
    fill_plan(variants_of(seeds=5))

    app = open_page(COMPARE)

    assert "Better than vanilla distillation" in app.success[0].value
    assert "sparse teacher (+" in app.success[0].value.replace("\\", "")
    assert "Worse than vanilla distillation" in app.warning[0].value
    # Three differences; the clearest is tested at 1 − 0.05/3.
    shown = table(app, "confidence")["confidence"]
    assert shown.max() == pytest.approx(1 - 0.05 / 3)


def test_a_failed_student_is_shown_with_its_reason(open_page: Open, skills: None) -> None:
    plan = fill_plan(variants_of(seeds=1), until="scores")
    scores = next(step.recipe.run_id for step in plan.steps if step.role == "scores")
    store.finish(scores, State.FAILED, Outcome(message="The disk is full.", hint="Free it."), 1)

    app = open_page(COMPARE)

    told = app.warning[0].value.replace("\\", "")
    assert "Vanilla distillation, sparse teacher" in told
    assert "The disk is full. Free it." in told


def test_home_runs_and_distil_show_a_comparison(open_page: Open, compared: Plan) -> None:
    home = open_page()
    assert "2 of at least 5 seeds" in home.info[0].value
    assert "The comparison" in [header.value for header in home.subheader]

    runs = table(open_page("pages/runs/overview.py"), "what")
    assert f"{roles.title('vanilla:random_mask')}, seed 1" in set(runs["what"])
    open_page(DISTIL)


def test_every_setting_that_was_tried_is_shown_and_what_was_not_tuned_is_said(
    open_page: Open, skills: None
) -> None:
    names = ("fine_tuning", "vanilla")
    fill_plan(variants_of(1, names, learning_rate=("1e-4", "3e-4"), alpha=("0.2", "0.5")))

    app = open_page(COMPARE)

    tried = table(app, "setting")
    assert list(tried["what"].value_counts()) == [4, 2]
    assert tried.groupby("what")["chosen"].sum().to_list() == [1, 1]
    assert set(table(app, "extra_steps")["tries"].dropna()) == {4, 2}
    said = [words.value.replace("\\", "") for words in app.markdown]
    words = f"- α was not tuned for {roles.title('fine_tuning')}: the method has none."
    assert words in said
    assert "--tune learning_rate=0.0001,0.0003" in app.code[-1].value


def test_several_teachers_are_pooled_and_told_apart(
    open_page: Open, home: object, skills: None
) -> None:
    teacher = recipes.finetune("demo/sentiment", "demo:", DEMO_TRAINING)
    _, student = comparison_spec.defaults("demo:")
    asked = comparison_spec.ComparisonSpec(
        "demo/sentiment",
        ("vanilla", "fine_tuning"),
        (teacher,),
        DEMO_TRAINING,
        student,
        seeds=tuple(range(5)),
        fine_tunings=2,
    )
    plan = fill_plan(comparison.plan(asked))
    app = open_page(COMPARE)

    assert not app.exception
    means = table(app, "teacher seed 1").set_index("what")
    both = means.loc["Vanilla distillation", ["teacher seed 0", "teacher seed 1"]]
    assert means.loc["Vanilla distillation", "mean"] == pytest.approx(both.mean())
    assert any("for new teachers, seeds and examples" in each.value for each in app.caption)
    assert "--teachers 2" in app.code[0].value
    app.button_group(key=f"compare.teacher.{plan.id}").set_value(1).run()
    assert not app.exception
