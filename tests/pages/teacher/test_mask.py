"""The Mask page: what is removed, what it costs, how good it is, and what can be downloaded."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from streamlit.testing.v1 import AppTest

from sparsekd.catalog import rankings
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.runs import store
from sparsekd.runs.records import Outcome, Plan, Run, State
from sparsekd.studies.masked_teacher import mask_commands, masked_quality
from sparsekd.units import masking
from tests.pages.conftest import has_pad, move_pad, table
from tests.sample_study import HEADS, LAYERS, NEURONS, sample_scores

Open = Callable[..., AppTest]
PAGE = "pages/teacher/mask.py"


def words(app: AppTest) -> str:
    return " ".join(element.value for element in [*app.markdown, *app.caption])


def scores_run(plan: Plan) -> Run:
    return next(store.get(s.recipe.run_id) for s in plan.steps if s.role == "scores")


def probe_done(
    plan: Plan, params: MaskParams, exactly: bool, lams: tuple[float, ...] = (), **changes: Any
) -> Run:
    """Write what a finished probe leaves: every ranking at every sparsity."""
    scores = scores_run(plan)
    recipe = (
        masked_quality.one_mask(scores, params)
        if exactly
        else masked_quality.curves(scores, params, lams or (params.lam,))
    )
    run = store.create(recipe)
    asked = recipe.params["probe"]
    names = [f"λ {lam:g}" for lam in asked["lams"]]
    names += ["λ 1", "λ 0", *rankings.CONTROLS] if asked["controls"] else []
    rows = [
        {"ranking": name, "lam": float(name[2:]) if "λ" in name else None, "sparsity": p,
         "accuracy": 0.9 - p / 2, "loss": p, "distance": 0.25 - p / 8, "heads": 10,
         "neurons": 100} | changes
        for name in names for p in asked["sparsities"]
    ]  # fmt: skip
    run.folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows).to_parquet(run.folder / "probe.parquet")
    with store.hold_lock(run.id):
        store.start(run.id, "cpu", 1)
        store.finish(run.id, State.DONE, Outcome(), 1.0)
    return run


def test_without_scores_the_page_says_where_they_are_made(open_page: Open) -> None:
    app = open_page(PAGE)

    assert app.info[0].value.startswith("No scores yet")


def test_the_place_on_the_pad_decides_what_stays(open_page: Open, study: Plan) -> None:
    app = move_pad(open_page(PAGE), lam=0.8, sparsity=0.5)

    mask = masking.decide(*masking.knowledgeableness(sample_scores(), 0.8), 0.5)
    shown = table(app, "heads kept")
    assert list(shown["heads kept"]) == list(mask.heads.sum(axis=1))
    assert list(shown["neurons kept"]) == list(mask.neurons.sum(axis=1))
    assert (app.query_params["lam"], app.query_params["sparsity"]) == ("0.8", "0.5")
    assert has_pad(app)


def test_neurons_may_have_a_sparsity_of_their_own(open_page: Open, study: Plan) -> None:
    app = open_page(PAGE)
    app.toggle(key="url.apart").set_value(True).run()
    app.slider(key="url.neuron_sparsity").set_value(0.75).run()

    kept = table(app, "heads kept").sum()
    assert kept["heads kept"] == LAYERS * HEADS - round(MaskParams().sparsity * LAYERS * HEADS)
    assert kept["neurons kept"] == LAYERS * NEURONS // 4
    assert app.query_params["neuron_sparsity"] == "0.75"
    app.toggle(key="url.apart").set_value(False).run()
    assert "neuron_sparsity" not in app.query_params


def test_a_sparsity_that_empties_every_layer_is_told_and_the_pad_stays(
    open_page: Open, study: Plan
) -> None:
    app = open_page(PAGE, sparsity="1", v="1")

    assert "empties every layer" in app.error[0].value
    assert "round_to" not in app.info[0].value
    assert has_pad(app)
    move_pad(app, sparsity=0.4)
    assert not app.error
    assert len(table(app, "heads kept")) == LAYERS


def test_layers_that_vanish_are_warned_about(open_page: Open, study: Plan) -> None:
    path = scores_run(study).folder / "scores.npz"
    scores = sample_scores()
    for name in ("head_expressiveness", "head_friendliness"):
        getattr(scores, name)[2] = 1e-6 * np.arange(1, HEADS + 1)
    scores.save(path)
    app = open_page(PAGE, normalise="none", sparsity="0.3", v="1")

    assert "No heads are kept in layer 3" in app.warning[0].value


def test_a_mask_that_was_not_tried_can_be_evaluated(open_page: Open, study: Plan) -> None:
    app = open_page(PAGE, lam="0.2", sparsity="0.35", v="1")
    assert "not been evaluated" in words(app)
    app.button(key="probe.this").click().run()

    (run,) = store.runs("probe")
    asked = run.recipe.params["probe"]
    assert (asked["lams"], asked["sparsities"], asked["controls"]) == ([0.2], [0.35], False)
    assert run.recipe.inputs["scores"] == scores_run(study).id


def test_a_curve_is_asked_for_with_its_controls(open_page: Open, study: Plan) -> None:
    app = open_page(PAGE)
    app.button(key="probe.curve").click().run()

    (run,) = store.runs("probe")
    assert run.recipe.params["probe"]["controls"] is True
    assert "probe.curve" not in {button.key for button in app.button}


def test_several_lambdas_are_asked_for_in_one_run(open_page: Open, study: Plan) -> None:
    app = open_page(PAGE)
    app.button(key="probe.grid").click().run()

    (run,) = store.runs("probe")
    asked = run.recipe.params["probe"]
    assert (len(asked["lams"]), len(asked["sparsities"]), asked["controls"]) == (5, 10, True)
    assert "probe.grid" not in {button.key for button in app.button}
    assert "probe.curve" in {button.key for button in app.button}


def test_what_the_grid_has_measured_is_not_offered_again_for_one_lambda(
    open_page: Open, study: Plan
) -> None:
    probe_done(study, MaskParams(), exactly=False, lams=(0.0, 0.25, 0.5, 0.75, 1.0))
    app = open_page(PAGE, lam="0.25", v="1")
    assert not {"probe.curve", "probe.grid"} & {button.key for button in app.button}
    app = open_page(PAGE, lam="0.3", v="1")
    assert "probe.curve" in {button.key for button in app.button}


def test_the_study_s_own_mask_is_known_before_any_probe(open_page: Open, study: Plan) -> None:
    sparse = next(s.recipe.run_id for s in study.steps if s.role == "sparse_teacher")
    app = open_page(PAGE)

    measured = store.get(sparse).outcome.metrics["selection"]["accuracy"]
    assert f"Run {sparse} pruned the teacher by this mask: Accuracy {measured:.3f}" in words(app)


def test_earlier_probes_are_used_again(open_page: Open, study: Plan) -> None:
    probe_done(study, MaskParams(lam=0.5), exactly=False)
    probe_done(study, MaskParams(lam=0.5, sparsity=0.35), exactly=True, accuracy=0.77)
    app = open_page(PAGE, sparsity="0.35", v="1")

    tiles = {metric.label: metric for metric in app.metric}
    assert tiles["Accuracy"].value == "0.770"
    assert tiles["Accuracy"].delta == "0.900 unmasked"
    assert tiles["Distance to the trial student"].value == f"{0.25 - 0.35 / 8:.3f}"


def test_a_broken_table_of_a_probe_is_named(open_page: Open, study: Plan) -> None:
    run = probe_done(study, MaskParams(), exactly=False)
    (run.folder / "probe.parquet").write_bytes(b"PAR1 not really")

    app = open_page(PAGE)

    assert run.id in app.error[0].value
    assert has_pad(app)


def test_the_pruned_checkpoint_is_asked_for_once(open_page: Open, study: Plan) -> None:
    before = {run.id for run in store.runs("prune")}
    app = open_page(PAGE, lam="0.1", v="1")
    app.button(key="prune").click().run()

    (run,) = [run for run in store.runs("prune") if run.id not in before]
    assert run.recipe.params["mask"]["lam"] == 0.1
    assert app.button(key="prune").disabled


def test_the_study_s_own_checkpoint_is_found_again(open_page: Open, study: Plan) -> None:
    sparse = next(s.recipe.run_id for s in study.steps if s.role == "sparse_teacher")
    app = open_page(PAGE)

    assert "prune" not in {button.key for button in app.button}
    assert str(store.folder(sparse) / "model") in [code.value for code in app.code]


def test_the_commands_are_of_the_mask_on_the_page(open_page: Open, study: Plan) -> None:
    app = open_page(PAGE, lam="0.25", sparsity="0.4", neuron_sparsity="0.5", v="1")
    params = MaskParams(lam=0.25, sparsity=0.4, neuron_sparsity=0.5)
    shown = [code.value for code in app.code]

    assert mask_commands.mask_command(scores_run(study), params) in shown
    assert mask_commands.prune_command(scores_run(study), "mask.npz") in shown
