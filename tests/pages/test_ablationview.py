"""The ablation part of the Explain page: maps, tables and the form, from hand-written files."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.explain import ablation_view, change_maps
from sparsekd.catalog.stage_parameters import AblateParams
from sparsekd.errors import NotFound
from sparsekd.runs import store
from sparsekd.runs.records import Outcome, Plan, Run, State
from sparsekd.studies import recipes
from sparsekd.units.ablation import GROUPS, HEADS, NEURONS, Ablation, ranked_groups
from tests.sample_study import HEADS as WIDTH
from tests.sample_study import LAYERS
from tests.sample_study import NEURONS as NEURON_COUNT

GROUP_COUNT = 8


def run_of(plan: Plan, role: str) -> Run:
    return next(store.get(s.recipe.run_id) for s in plan.steps if s.role == role)


def sample(student: bool, singly: bool) -> Ablation:
    drawn = np.random.default_rng(3)
    arrays: dict[str, Any] = {n: drawn.normal(size=(LAYERS, WIDTH)) for n in HEADS}
    arrays |= {n: drawn.normal(size=(LAYERS, GROUP_COUNT)) for n in GROUPS}
    arrays |= {n: drawn.normal(size=NEURON_COUNT) for n in NEURONS} if singly else {}
    arrays["dense"] = np.array([0.5, 0.9, 0.1])
    if not student:
        for name in [name for name in arrays if name.endswith("distance")]:
            arrays[name] = np.full_like(arrays[name], np.nan)
        arrays["dense"][2] = np.nan
    arrays["groups"] = ranked_groups(drawn.random((LAYERS, NEURON_COUNT)), GROUP_COUNT)
    made = {"metric": "accuracy", "split": "selection", "examples": 100, "ranked_by": "magnitude"}
    layer = 1 if singly else None
    return Ablation(**arrays, neuron_layer=layer, provenance=made)


def finished(plan: Plan, student: bool = True, singly: bool = False) -> Run:
    teacher = run_of(plan, "teacher")
    given = run_of(plan, "trial_student").id if student else ""
    layer = 1 if singly else None
    params = AblateParams(examples=100, neuron_layer=layer)
    recipe = recipes.ablate(teacher.recipe.task, teacher.id, params, 64, given)
    store.create(recipe)
    sample(student, singly).save(store.folder(recipe.run_id) / "ablation.npz")
    store.finish(recipe.run_id, State.DONE, Outcome({}, {"examples": 100}), 3.0)
    return store.get(recipe.run_id)


def _show(run_id: str) -> None:
    from pages.parts.explain import ablation_view
    from sparsekd.runs import store

    ablation_view.show(store.get(run_id))


def shown(run: Run) -> AppTest:
    app = AppTest.from_function(_show, kwargs={"run_id": run.id}).run()
    assert not app.exception, [error.value for error in app.exception]
    return app


def test_the_answer_names_the_most_harmful_head(study: Plan) -> None:
    run = finished(study)
    found = sample(True, False)
    app = shown(run)
    text = " ".join(each.value for each in app.markdown)
    loss = found.heads("task_loss")
    layer, head = np.unravel_index(loss.argmax(), loss.shape)
    assert f"layer {layer + 1}, head {head + 1}** it changes by **{loss.max():+.3g}" in text
    assert f"**{(loss <= 0).sum()}** of them" in text


def test_a_falling_metric_is_the_harm(study: Plan) -> None:
    app = shown(finished(study))
    app.segmented_control(key="ablation.kind").set_value("metric").run()
    assert not app.exception
    accuracy = sample(True, False).heads("metric")
    layer, head = np.unravel_index(accuracy.argmin(), accuracy.shape)
    text = " ".join(each.value for each in app.markdown)
    assert f"layer {layer + 1}, head {head + 1}** it changes by **{accuracy.min():+.3g}" in text
    assert "whole teacher's accuracy is 0.9" in text


def test_the_tables_hold_every_value(study: Plan) -> None:
    app = shown(finished(study, singly=True))
    found = sample(True, True)
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
    app = shown(finished(study, student=False))
    options = app.segmented_control(key="ablation.kind").options
    assert [str(option) for option in options] == ["Task loss", "Accuracy"]
    assert any("No student was given" in each.value for each in app.caption)


@pytest.mark.parametrize("kind", ["task_loss", "metric", "distance"])
def test_white_is_zero_and_red_is_harm(study: Plan, kind: Any) -> None:
    values = np.array([[-0.5, 0.1], [0.2, 0.0]], dtype=np.float32)
    trace = change_maps.around_zero(values, kind, "head").data[0]
    assert trace.zmin == -trace.zmax == -0.5
    lowest, highest = trace.colorscale[0][1], trace.colorscale[-1][1]
    red, blue = "rgb(103,0,31)", "rgb(5,48,97)"
    assert (lowest, highest) == ((red, blue) if kind == "metric" else (blue, red))


def test_a_run_whose_file_was_deleted_says_so(study: Plan) -> None:
    run = finished(study)
    (run.folder / "ablation.npz").unlink()
    with pytest.raises(NotFound, match="There is no file"):
        ablation_view.load(run)


def _launch(run_id: str) -> None:
    from pages.parts.explain import ablation_view
    from sparsekd.runs import store

    ablation_view.launch(store.get(run_id))


def test_the_form_starts_what_it_says(study: Plan) -> None:
    teacher, trial = run_of(study, "teacher"), run_of(study, "trial_student")
    app = AppTest.from_function(_launch, kwargs={"run_id": teacher.id}).run()
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
    app = AppTest.from_function(_launch, kwargs={"run_id": pruned.id}).run()
    assert "pruned from" in app.info[0].value
    assert not app.button


def test_finished_ablations_are_those_of_the_teacher(study: Plan) -> None:
    run = finished(study)
    assert [each.id for each in ablation_view.finished(run_of(study, "teacher"))] == [run.id]
    assert ablation_view.finished(run_of(study, "trial_student")) == []
    assert "selection, 100 examples" in ablation_view.words(run)
