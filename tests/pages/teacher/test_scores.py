"""The Scores page: what it says of units, what it answers at once, what it does with trouble."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.scores_and_mask import cached_scores, heatmaps, scatters
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams
from sparsekd.runs import store
from sparsekd.runs.records import Plan, Run, State
from sparsekd.units import masking
from sparsekd.units.jacobians import Jacobian
from sparsekd.units.rescoring import rescore
from sparsekd.units.unit_rank import rank_unit
from tests.sample_study import HEADS, LAYERS, NEURONS, sample_scores

Open = Callable[..., AppTest]
PAGE = "pages/teacher/scores.py"


def words(app: AppTest) -> str:
    """Everything the page says in running text."""
    return " ".join(element.value for element in [*app.markdown, *app.caption])


def run_of(plan: Plan, role: str = "scores") -> Run:
    return next(store.get(s.recipe.run_id) for s in plan.steps if s.role == role)


def test_without_scores_the_page_says_what_to_do(open_page: Open) -> None:
    app = open_page(PAGE)

    assert app.info[0].value.startswith("No scores yet")
    assert not app.error


def test_the_answer_names_the_most_and_least_knowledgeable_head(
    open_page: Open, study: Plan
) -> None:
    app = open_page(PAGE, lam="1", v="1")

    e = sample_scores().head_expressiveness.astype(float)
    e = e / np.linalg.norm(e, axis=1, keepdims=True)
    layer, head = np.unravel_index(e.argmax(), e.shape)
    assert f"layer {layer + 1}, head {head + 1}** has the highest knowledgeableness" in words(app)


def test_two_boxes_show_the_card_of_a_head(open_page: Open, study: Plan) -> None:
    app = open_page(PAGE)
    assert "Click a head" in words(app)
    app.selectbox(key="url.layer").select(2)
    app.selectbox(key="url.index").select(1)
    app.run()

    scores = sample_scores()
    found = {metric.label: metric for metric in app.metric}
    assert "Layer 3, head 2" in words(app)
    assert found["E"].delta == f"raw {scores.head_expressiveness[2, 1]:.3g}"
    assert found["F"].delta == f"raw {scores.head_friendliness[2, 1]:.3g}"
    assert app.query_params["layer"] == "2"


def test_the_card_agrees_with_the_mask(open_page: Open, study: Plan) -> None:
    scores = sample_scores()
    worth = masking.knowledgeableness(scores, 0.5)
    mask = masking.decide(*worth, MaskParams().sparsity)
    order = np.argsort(worth[0].ravel(), kind="stable")
    for place in (0, 4, 5, 15):
        layer, head = divmod(int(order[place]), HEADS)
        assert rank_unit(scores, 0.5, "layer", "head", layer, head).place == place + 1
        app = open_page(PAGE, layer=str(layer), index=str(head), v="1")
        assert ("is **removed**" in words(app)) is bool(~mask.heads[layer, head])


def test_another_temperature_is_answered_from_the_kept_jacobian(
    open_page: Open, study: Plan
) -> None:
    trial = run_of(study, "trial_student").id
    app = open_page(PAGE, trial=trial, temperature="5", aggregate="per_example", v="1")

    assert "Computed from the kept Jacobian" in words(app)
    run = run_of(study)
    asked = ScoreParams(temperature=5.0, aggregate="per_example")
    logits = np.load(store.folder(trial) / "logits-selection.npy")
    truth = rescore(Jacobian.open(run.folder / "jacobian"), logits, asked)
    shown = cached_scores.rescore(run, trial, asked)
    np.testing.assert_array_equal(shown.head_friendliness, truth.head_friendliness)
    assert app.query_params["temperature"] == "5"


def test_asking_otherwise_begins_with_what_was_measured(open_page: Open, study: Plan) -> None:
    app = open_page(PAGE)
    app.toggle(key="url.otherwise").set_value(True).run()

    assert app.selectbox(key="url.trial").value == run_of(study, "trial_student").id
    assert "As measured by run" in words(app)
    app.selectbox(key="url.friendliness").select("kl").run()
    assert "Computed from the kept Jacobian" in words(app)
    app.toggle(key="url.otherwise").set_value(False).run()
    assert "As measured by run" in words(app)
    assert "friendliness" not in app.query_params


def test_without_a_jacobian_the_page_offers_a_run(open_page: Open, study: Plan) -> None:
    run = run_of(study)
    (run.folder / "jacobian" / "meta.json").unlink()
    trial = run_of(study, "trial_student").id
    app = open_page(PAGE, trial=trial, friendliness="kl", v="1")

    assert "need a new run" in app.warning[0].value
    app.button(key="scores.keep").click().run()
    waiting = store.runs("score", [State.QUEUED])
    assert [other.recipe.params["score"]["friendliness"] for other in waiting] == ["kl"]


def test_a_shuffle_is_computed_on_demand(open_page: Open, study: Plan) -> None:
    app = open_page(PAGE)
    assert "after a shuffle" not in words(app)
    app.button(key="scores.shuffle").click().run()

    assert "after a shuffle" in words(app)
    shares = cached_scores.shared_removals(
        run_of(study), run_of(study, "trial_student").id, ScoreParams(), 0.5, "layer"
    )
    assert f"**{shares[:, 1].mean():.0%} of the neurons**" in words(app)


def test_a_new_run_is_asked_for_with_the_form(open_page: Open, study: Plan) -> None:
    trial = run_of(study, "trial_student")
    app = open_page(PAGE)
    app.selectbox(key="score.student").select(trial.id)
    app.number_input(key="score.batch_size").set_value(8)
    next(button for button in app.button if button.label == "Score").click()
    app.run()

    (asked,) = store.runs("score", [State.QUEUED])
    assert asked.recipe.params["score"]["batch_size"] == 8
    assert asked.recipe.inputs == {
        "teacher": trial.recipe.inputs["teacher"],
        "student": trial.id,
    }


@pytest.mark.parametrize("trouble", ["missing", "broken", "nan"])
def test_scores_that_cannot_be_read_are_told_and_the_page_goes_on(
    open_page: Open, study: Plan, trouble: str
) -> None:
    path = run_of(study).folder / "scores.npz"
    if trouble == "missing":
        path.unlink()
    elif trouble == "broken":
        path.write_bytes(path.read_bytes()[:200])
    else:
        spoilt(path)
    app = open_page(PAGE)

    (error,) = app.error
    expected = {"missing": "no file", "broken": "cut short", "nan": "NaN"}[trouble]
    assert expected in error.value.replace("\\", "")
    assert any(button.label == "Score" for button in app.button)


def spoilt(path: Path) -> None:
    """Put one NaN into a scores file, as a diverged model would."""
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["head_friendliness"][1, 1] = np.nan
    np.savez(path, **arrays)


def test_unknown_scores_in_a_link_show_the_latest_and_say_so(open_page: Open, study: Plan) -> None:
    app = open_page(PAGE, scores="deadbeef0000", v="1")

    assert "deadbeef0000" in app.warning[0].value
    assert not app.error


def test_a_density_counts_every_neuron() -> None:
    drawn = np.random.default_rng(0)
    e, f = drawn.random((LAYERS, NEURONS)), drawn.random((LAYERS, NEURONS))

    (trace,) = scatters.plot_density(e, f, "").data

    assert round(float(np.nansum(10.0 ** np.asarray(trace.z)))) == LAYERS * NEURONS


def test_figures_stay_small_for_a_large_teacher() -> None:
    values = np.random.default_rng(0).random((12, 3072))

    assert len(heatmaps.plot_sorted_neurons(values).to_json()) < 20_000
    assert len(heatmaps.plot_neurons(values).to_json()) < 280_000
