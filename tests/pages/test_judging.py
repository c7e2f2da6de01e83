"""Fidelity, the explanation of a unit, masks compared: words and figures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from pages.parts.explain import fidelity_chart, fidelity_view, unit_view
from pages.parts.scores_and_mask import overlap_charts
from sparsekd.catalog.stage_parameters import AblateParams, MaskParams, ScoreParams
from sparsekd.runs import store
from sparsekd.runs.records import Outcome, Plan, Run, State
from sparsekd.studies import recipes
from sparsekd.units import explain, fidelity, masking, overlap
from sparsekd.units.ablation import MEASURES, Ablation, ranked_groups
from sparsekd.units.scores import Scores
from tests.pages.conftest import table
from tests.sample_study import HEADS, LAYERS, NEURONS, sample_scores

GROUPS = 8


def scores_run(plan: Plan) -> Run:
    return next(store.get(s.recipe.run_id) for s in plan.steps if s.role == "scores")


def ablated(plan: Plan, exactly_e: bool = False, single: int | None = 2) -> Run:
    """What a finished ablation of the sample teacher leaves."""
    inputs = scores_run(plan).recipe.inputs
    recipe = recipes.ablate(plan.task, inputs["teacher"], AblateParams(), 64, inputs["student"])
    run = store.create(recipe)
    run.folder.mkdir(parents=True, exist_ok=True)
    draws = np.random.default_rng(3)
    arrays: dict[str, Any] = {
        f"head_{kind}": draws.normal(size=(LAYERS, HEADS)) for kind in MEASURES
    }
    arrays |= {f"group_{kind}": draws.normal(size=(LAYERS, GROUPS)) for kind in MEASURES}
    arrays |= {f"neuron_{kind}": draws.normal(size=NEURONS) for kind in MEASURES}
    if exactly_e:
        arrays["head_task_loss"] = masking.knowledgeableness(sample_scores(), 1.0)[0]
    Ablation(
        **arrays,
        groups=ranked_groups(draws.random((LAYERS, NEURONS)), GROUPS),
        dense=np.array([0.2, 0.9, 0.1]),
        neuron_layer=single,
        provenance={"metric": "accuracy", "examples": 160, "split": "selection"},
    ).save(run.folder / "ablation.npz")
    with store.held(run.id):
        store.start(run.id, "cpu", 1)
        store.finish(run.id, State.DONE, Outcome(facts={"examples": 160}), 1.0)
    return store.get(run.id)


def draw(body: Callable[..., None], **arguments: Any) -> AppTest:
    app = AppTest.from_function(body, kwargs=arguments, default_timeout=20).run()
    assert not app.exception, [error.value for error in app.exception]
    return app


def said(app: AppTest) -> str:
    shown = [*app.markdown, *app.caption, *app.success, *app.warning, *app.info, *app.error]
    return " ".join(element.value for element in shown)


# --- fidelity --------------------------------------------------------------------------------


def _fidelity(scores: str, ablation: str, more: dict[str, str] | None = None) -> None:
    from pathlib import Path

    from pages.parts.explain import fidelity_view
    from pages.parts.shell import frame
    from sparsekd.runs import store

    with frame.error_boundary():
        files = {name: Path(path) for name, path in (more or {}).items()}
        fidelity_view.show(store.get(scores), store.get(ablation), files)


def test_a_score_that_foretells_is_praised_and_a_chance_one_is_not(study: Plan) -> None:
    run, truth = scores_run(study), ablated(study, exactly_e=True)
    app = draw(_fidelity, scores=run.id, ablation=truth.id)

    shown = table(app, "Verdict").set_index("Score")
    assert shown.loc["E", "Verdict"] == fidelity.BETTER
    assert shown.loc["E", "Spearman's ρ"].startswith("+1.00")
    assert "**E** (+1.00)" in app.success[0].value
    judged = {str(word) for word in shown["Verdict"]}
    assert fidelity.NO_BETTER in judged
    assert any("no better than random, as far as 16 heads" in box.value for box in app.warning)


@pytest.mark.parametrize(("what", "units"), [("group", 32), ("neuron", 64)])
def test_groups_and_single_neurons_are_compared_too(study: Plan, what: str, units: int) -> None:
    app = draw(_fidelity, scores=scores_run(study).id, ablation=ablated(study).id)
    app.session_state["fidelity.what"] = what
    app.run()

    assert not app.exception
    assert f"resampling the {units} {fidelity_view.WHAT[what].lower()}" in said(app)
    assert len(table(app, "rank by score")) == fidelity_chart.OUTLIERS


def test_magnitudes_beside_the_ablation_and_other_scores_get_rows(
    study: Plan, tmp_path: Path
) -> None:
    run, truth = scores_run(study), ablated(study)
    without = draw(_fidelity, scores=run.id, ablation=truth.id)
    assert "kept no weight norms" in said(without)
    drawn = np.random.default_rng(0)
    heads, neurons = drawn.random((LAYERS, HEADS)), drawn.random((LAYERS, NEURONS))
    Scores(heads, heads, neurons, neurons).save(truth.folder / "magnitude.npz")
    Scores(heads, heads, neurons, neurons).save(tmp_path / "c.npz")
    app = draw(
        _fidelity, scores=run.id, ablation=truth.id, more={"conductance": str(tmp_path / "c.npz")}
    )

    assert list(table(app, "Verdict")["Score"]) == [
        *("E", "F", "K(0.5)", "magnitude", "random", "conductance"),
    ]


def test_a_score_file_that_was_deleted_is_said(study: Plan, tmp_path: Path) -> None:
    app = draw(
        _fidelity, scores=scores_run(study).id, ablation=ablated(study).id,
        more={"conductance": str(tmp_path / "gone.npz")},
    )  # fmt: skip
    assert "gone.npz" in app.error[0].value


def test_a_deleted_ablation_is_said(study: Plan) -> None:
    truth = ablated(study)
    (truth.folder / "ablation.npz").unlink()
    app = draw(_fidelity, scores=scores_run(study).id, ablation=truth.id)
    assert "ablation" in app.error[0].value


def test_a_click_in_the_scatter_chooses_the_unit(monkeypatch: pytest.MonkeyPatch) -> None:
    class Event:
        class selection:  # noqa: N801 - as Streamlit calls it
            points = ({"customdata": {"0": 3, "1": 40}},)

    session: dict[str, Any] = {"chart": Event}
    monkeypatch.setattr("streamlit.session_state", session)
    fidelity_view.picked("chart", "neuron")
    assert [session[f"url.{name}"] for name in ("unit", "layer", "index")] == ["neuron", 2, 39]


def test_the_scatter_holds_every_unit_and_rings_the_misjudged() -> None:
    score, really = np.arange(16.0), np.arange(16.0)
    really[2] = 99
    places = np.indices((4, 4)).reshape(2, -1).T + 1
    figure = fidelity_chart.scatter(score, really, places, "head", ("E", "Rise"))
    everything, ringed = figure.data
    np.testing.assert_array_equal(everything.x, score)
    np.testing.assert_array_equal(everything.customdata, places)
    assert list(ringed.customdata[0]) == [1, 3]
    assert len(ringed.x) == fidelity_chart.OUTLIERS


# --- one unit --------------------------------------------------------------------------------


def _fate(scores: str, unit: object, sparsity: float = 0.3, ablation: str = "") -> None:
    from pages.parts.explain import unit_view
    from pages.parts.shell import frame
    from sparsekd.runs import store

    with frame.error_boundary():
        truth = store.get(ablation) if ablation else None
        unit_view.show(store.get(scores), unit, 0.5, sparsity, truth)  # type: ignore[arg-type]


@pytest.mark.parametrize("unit", [("head", 1, 2), ("neuron", 2, 33), ("neuron", 0, 5)])
def test_the_card_says_what_the_command_line_says(study: Plan, unit: tuple[str, int, int]) -> None:
    truth = ablated(study)
    app = draw(_fate, scores=scores_run(study).id, unit=unit, ablation=truth.id)

    found = explain.explain(sample_scores(), *unit, MaskParams(sparsity=0.3))
    kind, layer, index = unit
    verb = "go" if found.removed else "stay"
    assert f"Why does layer {layer + 1}, {kind} {index + 1} {verb}?" in said(app)
    assert f"number {found.place:,} of {found.pool:,} {kind}s" in said(app)
    tiles = {tile.label: tile for tile in app.metric}
    assert tiles["Rank"].value == f"{found.rank:,}"
    measured = Ablation.load(truth.folder / "ablation.npz")
    change = {
        ("head", 1, 2): measured.head_task_loss[1, 2],
        ("neuron", 2, 33): measured.neuron_task_loss[33],
        ("neuron", 0, 5): measured.group_task_loss[0, measured.groups[0, 5]],
    }[unit]
    assert tiles["Task loss"].value == f"{change:+.3g}"
    assert list(table(app, "along")["fate"]) == list(unit_view.spans(found)["fate"])


def test_the_card_lives_without_a_unit_without_an_ablation_and_with_bad_numbers(
    study: Plan,
) -> None:
    run = scores_run(study).id
    assert "Click a head" in said(draw(_fate, scores=run, unit=None))
    assert "no ablation" in said(draw(_fate, scores=run, unit=("head", 0, 0)))
    assert "no head 9" in said(draw(_fate, scores=run, unit=("head", 0, 9)))
    assert "empties" in said(draw(_fate, scores=run, unit=("head", 0, 0), sparsity=1.0))


def test_the_strips_show_the_exact_turning_points() -> None:
    found = explain.explain(sample_scores(), "head", 1, 2, MaskParams(sparsity=0.3))
    table = unit_view.spans(found)
    assert list(table["along"].unique()) == ["λ", "sparsity"]
    of_lam = table[table["along"] == "λ"]
    assert list(of_lam["from"][1:]) == list(found.breakpoints)
    of_sparsity = table[table["along"] == "sparsity"]
    assert of_sparsity["from"].iloc[-1] == found.removal_sparsity
    widths = [width for bar in unit_view.strips(found).data for width in bar.x]
    assert sum(widths) == pytest.approx(2)


# --- masks -----------------------------------------------------------------------------------


def _masks(scores: str) -> None:
    from pages.parts.scores_and_mask import mask_overlap
    from pages.parts.shell import frame
    from sparsekd.catalog.stage_parameters import MaskParams
    from sparsekd.runs import store

    with frame.error_boundary():
        mask_overlap.draw_mask_overlap(store.get(scores), MaskParams())


def second_scores(plan: Plan) -> Run:
    """The teacher of the plan, scored per example: another run of the same shape."""
    run = scores_run(plan)
    inputs = run.recipe.inputs
    params = ScoreParams(aggregate="per_example")
    recipe = recipes.score(plan.task, inputs["teacher"], inputs["student"], params, 64)
    other = store.create(recipe)
    other.folder.mkdir(parents=True, exist_ok=True)
    drawn = np.random.default_rng(8)
    sizes = [(LAYERS, HEADS), (LAYERS, HEADS), (LAYERS, NEURONS), (LAYERS, NEURONS)]
    Scores(*(drawn.gamma(1.5, size=size) for size in sizes)).save(other.folder / "scores.npz")
    with store.held(other.id):
        store.start(other.id, "cpu", 1)
        store.finish(other.id, State.DONE, Outcome(facts=run.outcome.facts), 1.0)
    return other


def test_two_masks_are_counted_as_below(study: Plan) -> None:
    app = draw(_masks, scores=scores_run(study).id)
    app.slider(key="overlap.lam").set_value(0.1).run()

    params = MaskParams()
    masks = [masking.from_scores(sample_scores(), params.changed({"lam": x})) for x in (0.5, 0.1)]
    row = overlap.total(overlap.compare(*masks), "neurons")
    assert f"{int(row['both']):,} are kept by both" in said(app)
    assert f"Jaccard index of the kept **{row['jaccard']:.2f}**" in said(app)
    assert len(table(app, "only_first")) == 2 * (LAYERS + 1)


def test_a_random_mask_and_a_file_can_be_mask_b(study: Plan) -> None:
    app = draw(_masks, scores=scores_run(study).id)
    app.session_state["overlap.source"] = "random"
    app.run()
    assert "random, seed 0" in said(app)
    app.session_state["overlap.source"] = "file"
    app.run()
    assert not app.exception
    assert "Upload a mask.npz" in said(app)


def test_stability_needs_two_scores_and_then_says_what_they_dispute(study: Plan) -> None:
    run = scores_run(study)
    assert "There is one set of scores" in said(draw(_masks, scores=run.id))
    other = second_scores(study)
    app = draw(_masks, scores=run.id)

    found = [Scores.load(each.folder / "scores.npz") for each in (run, other)]
    masks = [masking.from_scores(scores, MaskParams()) for scores in found]
    row = overlap.agreement(masks).set_index("units").loc["heads"]
    assert f"they differ on {int(row['disputed'])}" in said(app)


def test_the_map_of_two_masks_has_a_sign_for_each_fate() -> None:
    first, second = np.array([[True, True], [False, False]]), np.array([[True, False]] * 2)
    figure = overlap_charts.plot_heads(overlap.codes(first, second))
    assert list(figure.data[1].text) == ["", "A", "B", "×"]
    table = overlap.compare(*(masking.Mask(flags, flags) for flags in (first, second)))
    bars = {bar.name: list(bar.x) for bar in overlap_charts.plot_neurons(table).data}
    assert bars == {"both": [1, 0], "only A": [1, 0], "only B": [0, 1], "neither": [0, 1]}
