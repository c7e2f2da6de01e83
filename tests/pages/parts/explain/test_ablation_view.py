"""The ablation view: maps, tables and the form, from an ablation written by hand."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.explain import ablation_view, change_maps
from sparsekd.catalog.stage_parameters import AblateParams
from sparsekd.errors import NotFound
from sparsekd.runs import store
from sparsekd.runs.records import Plan
from sparsekd.studies import recipes
from tests.sample_ablation import GROUP_COUNT, ablated, run_of, sample_ablation
from tests.sample_study import LAYERS


def _draw(run_id: str) -> None:
    from pages.parts.explain import ablation_view
    from sparsekd.runs import store

    ablation_view.draw_ablation(store.get(run_id))


def drawn(plan: Plan, **changes: Any) -> AppTest:
    run = ablated(plan, sample_ablation(**changes))
    app = AppTest.from_function(_draw, kwargs={"run_id": run.id}).run()
    assert not app.exception, [error.value for error in app.exception]
    return app


def test_the_answer_follows_the_chosen_measure(study: Plan) -> None:
    app = drawn(study)
    loss = sample_ablation().heads("task_loss")
    layer, head = np.unravel_index(loss.argmax(), loss.shape)
    assert f"layer {layer + 1}, head {head + 1}** it changes by" in app.markdown[0].value

    app.segmented_control(key="ablation.kind").set_value("metric").run()

    assert not app.exception
    accuracy = sample_ablation().heads("metric")
    layer, head = np.unravel_index(accuracy.argmin(), accuracy.shape)
    assert f"layer {layer + 1}, head {head + 1}** it changes by" in app.markdown[0].value
    assert "dense teacher's accuracy is 0.9" in app.markdown[0].value


def test_the_tables_hold_every_value(study: Plan) -> None:
    app = drawn(study, single=1)
    found = sample_ablation(single=1)
    heads, groups, neurons = (each.value for each in app.dataframe)
    row = heads[(heads["layer"] == 3) & (heads["head"] == 2)].iloc[0]
    assert row["Task loss"] == pytest.approx(found.head_task_loss[2, 1])
    assert row["Accuracy"] == pytest.approx(found.head_metric[2, 1])
    assert row["Distance to the student"] == pytest.approx(found.head_distance[2, 1])
    assert len(groups) == LAYERS * GROUP_COUNT
    assert isinstance(neurons, pd.DataFrame)
    assert set(neurons["layer"]) == {2}
    np.testing.assert_allclose(neurons["Accuracy"], found.neuron_metric)


def test_without_a_student_there_is_no_distance_to_choose(study: Plan) -> None:
    app = drawn(study, student=False)
    options = app.segmented_control(key="ablation.kind").options
    assert [str(option) for option in options] == ["Task loss", "Accuracy"]
    assert any("Without a student" in each.value for each in app.caption)


@pytest.mark.parametrize("measure", ["task_loss", "metric", "distance"])
def test_white_is_zero_and_red_is_harm(measure: Any) -> None:
    values = np.array([[-0.5, 0.1], [0.2, 0.0]], dtype=np.float32)
    trace = change_maps.plot_changes(values, measure, "head").data[0]
    assert trace.zmin == -trace.zmax == -0.5
    lowest, highest = trace.colorscale[0][1], trace.colorscale[-1][1]
    red, blue = "rgb(103,0,31)", "rgb(5,48,97)"
    assert (lowest, highest) == ((red, blue) if measure == "metric" else (blue, red))


def test_a_run_whose_file_was_deleted_says_so(study: Plan) -> None:
    run = ablated(study, sample_ablation())
    (run.folder / "ablation.npz").unlink()
    with pytest.raises(NotFound, match="There is no file"):
        ablation_view.load(run)


def _draw_new(run_id: str) -> None:
    from pages.parts.explain import ablation_view
    from sparsekd.runs import store

    ablation_view.draw_new_ablation(store.get(run_id))


def test_the_form_starts_what_it_says(study: Plan) -> None:
    teacher, trial = run_of(study, "teacher"), run_of(study, "trial_student")
    app = AppTest.from_function(_draw_new, kwargs={"run_id": teacher.id}).run()
    assert not app.exception
    assert trial.id in app.selectbox(key="ablation.student").options[0]
    app.number_input(key="ablation.examples").set_value(64)
    app.number_input(key="ablation.layer").set_value(2)
    app.selectbox(key="ablation.split").set_value("validation")
    app.selectbox(key="ablation.student").set_value(trial.id)
    next(button for button in app.button if button.label == "Ablate").click().run()
    assert not app.exception
    (run,) = store.runs("ablate")
    asked = AblateParams(examples=64, neuron_layer=1, split="validation")
    length = teacher.recipe.params["train"]["max_length"]
    assert run.recipe == recipes.ablate(teacher.recipe.task, teacher.id, asked, length, trial.id)
    assert any("Ablation" in each.value for each in app.markdown)


def test_a_pruned_teacher_is_not_offered(study: Plan) -> None:
    pruned = run_of(study, "sparse_teacher")
    app = AppTest.from_function(_draw_new, kwargs={"run_id": pruned.id}).run()
    assert "pruned from" in app.info[0].value
    assert not app.button
