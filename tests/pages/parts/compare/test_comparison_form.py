"""The form of a comparison: what is queued, and its cost."""

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

from sparsekd.runs import store
from sparsekd.runs.records import Plan
from sparsekd.studies import roles
from sparsekd.studies.comparisons import comparison, comparison_spec
from tests.pages.conftest import table

Open = Callable[..., AppTest]
DISTIL = "pages/student/distil.py"


def opened(open_page: Open) -> AppTest:
    app = open_page(DISTIL)
    return app.button_group(key="distil.mode.").set_value("Compare methods").run()


def form_key(plan: Plan) -> str:
    return f"comparison.{plan.steps[0].recipe.run_id}"


def test_the_form_queues_the_comparison_that_it_shows(open_page: Open, study: Plan) -> None:
    app = opened(open_page)
    assert not app.exception
    key = form_key(study)
    app.multiselect(key=f"{key}.methods.1").set_value(["vanilla", "vanilla:random_mask"])
    app.number_input(key=f"{key}.seeds").set_value(2).run()
    app.number_input(key=f"{key}.teachers").set_value(2).run()
    assert any("2 teachers say little about new ones" in each.value for each in app.caption)

    app.button(key="comparison.go").click().run()

    train, student = comparison_spec.defaults("demo:")
    expected = comparison.plan(
        comparison_spec.ComparisonSpec(
            "demo/sentiment",
            ("vanilla", "vanilla:random_mask"),
            (study.steps[0].recipe,),
            train,
            student,
            seeds=(0, 1),
            fine_tunings=2,
        )
    )
    assert store.plans()[0] == expected
    assert [run.recipe.stage for run in store.queued()].count("finetune") == 1  # the other is done


def test_the_cost_is_known_before_the_launch(open_page: Open, study: Plan) -> None:
    app = opened(open_page)
    key = form_key(study)
    names = ["vanilla", "vanilla:sparse_teacher", "knowledge_selection"]
    app.multiselect(key=f"{key}.methods.1").set_value(names).run()
    app.number_input(key=f"{key}.knowledge_selection.episodes").set_value(3)
    app.number_input(key=f"{key}.knowledge_selection.phases").set_value(5).run()

    costs = table(app, "reward passes").set_index("method")

    assert costs.loc["Vanilla distillation", "extra trainings"] == 0
    assert costs.loc[roles.title("vanilla:sparse_teacher"), "extra trainings"] == 1
    selection = costs.loc[roles.title("knowledge_selection")]
    assert (selection["extra trainings"], selection["reward passes"]) == (3, 3 * (5 + 1))
    assert selection["extra steps"] == 3 * selection["steps"]
    assert (selection["decisions"], selection["random decisions"]) == (3 * 5, 2 * 5)


def test_a_variant_that_does_not_fit_is_refused(open_page: Open, study: Plan) -> None:
    app = opened(open_page)
    key = form_key(study)
    app.multiselect(key=f"{key}.methods.1").set_value(["vanilla", "teacher_selection"]).run()

    assert "2 to 8 teachers, not 1" in app.error[0].value
    assert not [button for button in app.button if button.key == "comparison.go"]


def test_everything_that_fits_is_one_press_away(open_page: Open, study: Plan) -> None:
    app = opened(open_page)
    place = f"{form_key(study)}.methods.1"

    app.button(key=f"{place}.Everything that fits").click().run()

    assert not app.exception
    chosen = app.multiselect(key=place).value
    assert {"knowledge_selection:hard", "vanilla:assistant"} <= set(chosen)
    assert not any(name in ("teacher_selection", "vanilla:teacher_2") for name in chosen)


def test_tuned_parameters_make_runs_that_are_counted_before_the_launch(
    open_page: Open, study: Plan
) -> None:
    app = opened(open_page)
    key = form_key(study)
    app.multiselect(key=f"{key}.methods.1").set_value(["vanilla", "fine_tuning"]).run()
    app.multiselect(key=f"{key}.tune.vanilla,fine_tuning").set_value(["learning_rate"]).run()
    app.text_input(key=f"{key}.tune.learning_rate").set_value("1e-4, 3e-4")
    app.number_input(key=f"{key}.seeds").set_value(2).run()

    assert list(table(app, "reward passes")["tries"]) == [2, 2]
    assert any("8 new runs, 8 trainings" in caption.value for caption in app.caption)

    app.button(key="comparison.go").click().run()

    rates = [run.recipe.params["train"]["learning_rate"] for run in store.queued()]
    assert sorted(rates) == [1e-4] * 4 + [3e-4] * 4


def test_one_value_is_refused(open_page: Open, study: Plan) -> None:
    app = opened(open_page)
    key = form_key(study)
    app.multiselect(key=f"{key}.methods.1").set_value(["vanilla"]).run()
    app.multiselect(key=f"{key}.tune.vanilla").set_value(["alpha"]).run()
    app.text_input(key=f"{key}.tune.alpha").set_value("0.5").run()

    assert "nothing to choose from" in app.error[0].value
