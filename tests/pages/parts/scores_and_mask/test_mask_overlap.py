"""Two masks compared on the page, and the stability of a mask over scores."""

import numpy as np
from streamlit.testing.v1 import AppTest

from pages.parts.scores_and_mask import overlap_charts
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams
from sparsekd.runs import store
from sparsekd.runs.records import Outcome, Plan, Run, State
from sparsekd.studies import recipes
from sparsekd.units import masking, overlap
from sparsekd.units.scores import Scores
from tests.pages.conftest import table
from tests.sample_ablation import run_of
from tests.sample_study import HEADS, LAYERS, NEURONS, sample_scores


def text(app: AppTest) -> str:
    shown = [*app.markdown, *app.caption, *app.success, *app.warning, *app.info, *app.error]
    return " ".join(element.value for element in shown)


def _draw(scores: str) -> None:
    from pages.parts.scores_and_mask import mask_overlap
    from pages.parts.shell import frame
    from sparsekd.catalog.stage_parameters import MaskParams
    from sparsekd.runs import store

    with frame.error_boundary():
        mask_overlap.draw_mask_overlap(store.get(scores), MaskParams())


def drawn(run: Run) -> AppTest:
    app = AppTest.from_function(_draw, kwargs={"scores": run.id}, default_timeout=90).run()
    assert not app.exception, [error.value for error in app.exception]
    return app


def second_scores(plan: Plan) -> Run:
    """Score the teacher of the plan per example: another run of the same shape."""
    run = run_of(plan, "scores")
    inputs = run.recipe.inputs
    params = ScoreParams(aggregate="per_example")
    recipe = recipes.score(plan.task, inputs["teacher"], inputs["student"], params, 64)
    other = store.create(recipe)
    other.folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(8)
    sizes = [(LAYERS, HEADS), (LAYERS, HEADS), (LAYERS, NEURONS), (LAYERS, NEURONS)]
    Scores(*(random.gamma(1.5, size=size) for size in sizes)).save(other.folder / "scores.npz")
    with store.hold_lock(other.id):
        store.start(other.id, "cpu", 1)
        store.finish(other.id, State.DONE, Outcome(facts=run.outcome.facts), 1.0)
    return other


def test_two_masks_are_counted_layer_by_layer(study: Plan) -> None:
    app = drawn(run_of(study, "scores"))
    app.slider(key="overlap.lam").set_value(0.1).run()

    params = MaskParams()
    masks = [masking.build(sample_scores(), params.changed({"lam": x})) for x in (0.5, 0.1)]
    row = overlap.total(overlap.compare(*masks), "neurons")
    assert f"{int(row['both']):,} are kept by both" in text(app)
    assert f"Jaccard index of the kept **{row['jaccard']:.2f}**" in text(app)
    assert len(table(app, "only_first")) == 2 * (LAYERS + 1)


def test_a_random_mask_and_a_file_can_be_mask_b(study: Plan) -> None:
    app = drawn(run_of(study, "scores"))
    app.session_state["overlap.source"] = "random"
    app.run()
    assert "random, seed 0" in text(app)
    app.session_state["overlap.source"] = "file"
    app.run()
    assert not app.exception
    assert "Upload a mask.npz" in text(app)


def test_stability_needs_two_scores_and_then_counts_where_they_differ(study: Plan) -> None:
    run = run_of(study, "scores")
    assert "There is one set of scores" in text(drawn(run))
    other = second_scores(study)
    app = drawn(run)

    found = [Scores.load(each.folder / "scores.npz") for each in (run, other)]
    masks = [masking.build(scores, MaskParams()) for scores in found]
    row = overlap.agreement(masks).set_index("units").loc["heads"]
    assert f"some keep {int(row['disputed'])}" in text(app)


def test_the_map_of_two_masks_has_a_sign_for_each_of_the_four_cases() -> None:
    first, second = np.array([[True, True], [False, False]]), np.array([[True, False]] * 2)
    figure = overlap_charts.plot_heads(overlap.codes(first, second))
    assert list(figure.data[1].text) == ["", "A", "B", "×"]
    table = overlap.compare(*(masking.Mask(flags, flags) for flags in (first, second)))
    bars = {bar.name: list(bar.x) for bar in overlap_charts.plot_neurons(table).data}
    assert bars == {"both": [1, 0], "only A": [1, 0], "only B": [0, 1], "neither": [0, 1]}
