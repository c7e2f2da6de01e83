"""Probes of masked teachers, put together to curves."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pytest

from sparsekd.catalog import rankings
from sparsekd.catalog.stage_parameters import MaskParams, ProbeParams
from sparsekd.errors import BadInput
from sparsekd.runs import store
from sparsekd.runs.records import Outcome, Recipe, Run, State
from sparsekd.studies.masked_teacher import masked_quality
from tests.sample_study import fill_plan, sample_plan

USUAL = ProbeParams().sparsities
CONTROLS = ("λ 1", "λ 0", *rankings.CONTROLS)


@pytest.fixture
def scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))
    plan = fill_plan(sample_plan())
    return next(store.get(step.recipe.run_id) for step in plan.steps if step.role == "scores")


def frame(rankings: Iterable[str], sparsities: Iterable[float] = USUAL) -> pd.DataFrame:
    """Accuracy falls with sparsity."""
    rows = [
        {"ranking": name, "lam": float(name[2:]) if "λ" in name else None, "sparsity": p,
         "accuracy": 0.9 - p / 2, "loss": p, "distance": 0.1, "heads": 10, "neurons": 100}
        for name in rankings for p in sparsities
    ]  # fmt: skip
    return pd.DataFrame(rows)


def done(recipe: Recipe, table: pd.DataFrame) -> Run:
    store.create(recipe)
    folder = store.folder(recipe.run_id)
    folder.mkdir(parents=True, exist_ok=True)
    table.to_parquet(folder / "probe.parquet")
    store.finish(recipe.run_id, State.DONE, Outcome(), 1.0)
    return store.get(recipe.run_id)


def test_probes_of_the_same_setting_are_put_together_and_the_newest_counts(scores: Run) -> None:
    params = MaskParams(lam=0.5, sparsity=0.35)
    done(masked_quality.curves(scores, params, (0.5,)), frame(["λ 0.5", *CONTROLS]))
    point = frame(["λ 0.5"], [0.35]).assign(accuracy=0.77)
    done(masked_quality.one_mask(scores, params), point)

    known = masked_quality.measured(scores, params)

    assert len(known) == (1 + len(CONTROLS)) * len(USUAL) + 1
    assert masked_quality.at(known, params)["accuracy"].tolist() == [0.77]
    assert masked_quality.unmasked(known)["accuracy"].tolist() == [0.9]
    assert masked_quality.metrics(known) == ["accuracy"]


def test_probes_of_another_rounding_are_left_out(scores: Run) -> None:
    rounded = MaskParams(round_to=1)
    done(masked_quality.curves(scores, rounded, (0.5,)), frame(["λ 0.5"]))

    assert masked_quality.measured(scores, MaskParams(round_to=8)).empty
    assert len(masked_quality.measured(scores, rounded)) == len(USUAL)


def test_a_broken_table_is_named_by_its_run(scores: Run) -> None:
    run = done(masked_quality.curves(scores, MaskParams(), (0.5,)), frame(["λ 0.5"]))
    (run.folder / "probe.parquet").write_bytes(b"PAR1 not really")

    with pytest.raises(BadInput, match=run.id):
        masked_quality.measured(scores, MaskParams())


def test_one_mask_is_probed_without_controls_and_a_curve_with_them(scores: Run) -> None:
    params = MaskParams(lam=0.2, sparsity=0.35, neuron_sparsity=0.5, round_to=16)

    one, curve = (
        recipe.params["probe"]
        for recipe in (
            masked_quality.one_mask(scores, params),
            masked_quality.curves(scores, params, (0.2, 0.4)),
        )
    )

    assert (one["lams"], one["sparsities"], one["controls"]) == ([0.2], [0.35], False)
    assert (curve["lams"], curve["controls"]) == ([0.2, 0.4], True)
    assert {(each["neuron_sparsity"], each["round_to"]) for each in (one, curve)} == {(0.5, 16)}


@pytest.mark.parametrize("absent", ["λ 0.5", *CONTROLS])
def test_a_curve_is_complete_with_every_sparsity_of_it_and_of_its_controls(absent: str) -> None:
    names = ["λ 0.5", *CONTROLS]

    assert masked_quality.complete(frame(names), (0.5,))
    assert not masked_quality.complete(frame(set(names) - {absent}), (0.5,))
    lacking = frame(names).query("not (ranking == @absent and sparsity == 0.3)")
    assert not masked_quality.complete(lacking, (0.5,))


def test_a_probe_is_under_way_until_it_has_failed(scores: Run) -> None:
    recipe = masked_quality.one_mask(scores, MaskParams())
    assert not masked_quality.under_way(recipe)
    store.create(recipe)
    assert masked_quality.under_way(recipe)
    store.finish(recipe.run_id, State.FAILED, Outcome(), 1.0)
    assert not masked_quality.under_way(recipe)


def test_a_legend_begins_with_the_current_lambda_and_ends_with_controls() -> None:
    known = frame(["random", "λ 0.25", "λ 0.5", "magnitude"], (0.1,))

    order = masked_quality.order(known, MaskParams(lam=0.5))

    assert order == ["λ 0.5", "λ 0.25", "magnitude", "random"]


def test_columns_are_titled_in_words() -> None:
    assert masked_quality.title("accuracy") == "Accuracy"
    assert masked_quality.title("distance") == "Distance to the trial student"
    assert masked_quality.title("loss") == "Loss"
