"""Measurements: the table of a run against the models it measured."""

from pathlib import Path

import numpy as np
import pytest

from sparsekd.catalog.stage_parameters import MeasureParams
from sparsekd.models import architectures, loading
from sparsekd.models.pruning import prune
from sparsekd.runs import masks, measurements
from sparsekd.runs.records import Run, State
from sparsekd.studies import recipes
from sparsekd.units import shape
from tests.stages.pruned_models import mask_with_gaps, pruning_run, saved
from tests.workshop import done, worked


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))


@pytest.fixture
def pruned(home: None, tmp_path: Path) -> Run:
    return pruning_run(tmp_path)


def test_dense_masked_and_pruned_are_measured_at_every_size(pruned: Run) -> None:
    params = MeasureParams(batch_sizes=(1, 3), tokens=(4, 8), rounds=3)
    run = done(recipes.measure(pruned.recipe.task, pruned.id, params, "cpu"))
    rows, facts = measurements.table(run), run.outcome.facts
    assert list(rows.columns) == list(measurements.COLUMNS)
    assert len(rows) == 3 * 2 * 2
    assert set(zip(rows["batch"], rows["tokens"], strict=True)) == {(1, 4), (3, 4), (1, 8), (3, 8)}
    assert (rows["low"] <= rows["milliseconds"]).all()
    assert (rows["milliseconds"] <= rows["high"]).all()
    np.testing.assert_allclose(
        rows["examples_per_second"], 1e3 * rows["batch"] / rows["milliseconds"]
    )
    by = rows.groupby("variant").first()
    assert by.loc["masked", "bytes"] == by.loc["dense", "bytes"] > by.loc["pruned", "bytes"]
    assert by.loc["pruned", "parameters"] == pruned.outcome.facts["parameters"]
    assert (rows[rows["variant"] == "dense"]["speedup"] == 1).all()
    assert facts["device"] == "cpu"
    assert facts["checked"]["largest_difference"] < 1e-4


def test_operations_in_the_table_are_those_of_the_model(pruned: Run) -> None:
    params = MeasureParams(batch_sizes=(1,), tokens=(8,), rounds=3)
    rows = measurements.table(done(recipes.measure("", pruned.id, params, "cpu")))
    model, _ = loading.load_saved(pruned.folder / "model")
    dense, _ = loading.load_saved(Path(pruned.recipe.inputs["teacher"][7:].rpartition("#")[0]))
    found = dict(zip(rows["variant"], rows["flops"], strict=True))
    assert found["pruned"] == shape.flops(architectures.shape(model), 8)
    assert found["dense"] == found["masked"] == shape.flops(architectures.shape(dense), 8)


def test_a_kept_mask_is_applied_and_measured(tmp_path: Path) -> None:
    reference, mask = saved(tmp_path / "model"), mask_with_gaps()
    params = MeasureParams(batch_sizes=(1,), tokens=(4,), rounds=3)
    run = done(recipes.measure("", reference, params, "cpu", masks.save(mask)))
    dense, _ = loading.load_saved(tmp_path / "model")
    smaller = sum(each.numel() for each in prune(dense, mask).parameters())
    rows = measurements.table(run).set_index("variant")
    assert rows.loc["pruned", "parameters"] == smaller
    assert run.outcome.facts["checked"]["largest_difference"] < 1e-4


def test_a_dense_model_has_one_variant_and_no_check(tmp_path: Path) -> None:
    params = MeasureParams(batch_sizes=(1,), tokens=(4,), rounds=3)
    run = done(recipes.measure("", saved(tmp_path / "model"), params, "cpu"))
    assert measurements.table(run)["variant"].tolist() == ["dense"]
    assert run.outcome.facts["checked"] is None


@pytest.mark.parametrize(
    ("tokens", "mask", "message"),
    [(600, "", "600 tokens are more"), (4, "mask:0123456789abcdef", "is gone")],
)
def test_what_cannot_be_measured_fails_with_the_reason(
    tmp_path: Path, tokens: int, mask: str, message: str
) -> None:
    params = MeasureParams(batch_sizes=(1,), tokens=(tokens,), rounds=3)
    run = worked(recipes.measure("", saved(tmp_path / "model"), params, "cpu", mask))
    assert run.state is State.FAILED
    assert message in run.outcome.message


def test_another_repeat_or_device_is_another_measurement() -> None:
    run_ids = [
        recipes.measure("", "folder:x#1", MeasureParams(), device, repeat=repeat).run_id
        for device, repeat in (("cpu", 0), ("cpu", 1), ("cuda:0", 0))
    ]
    assert len(set(run_ids)) == 3
