"""Exports and measurements: what they leave, and that others can open it without this program."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from sparsekd.catalog.stage_parameters import ExportParams, MaskParams, MeasureParams
from sparsekd.data import encode
from sparsekd.errors import BadInput, Incompatible
from sparsekd.models import architectures, exporting, loading
from sparsekd.models.pruning import prune
from sparsekd.runs import masks, measurements, references, store
from sparsekd.runs.records import Run, State
from sparsekd.stages import modelcard
from sparsekd.stages.export import export_model
from sparsekd.studies import recipes
from sparsekd.units import shape
from sparsekd.units.masking import Mask
from tests.conftest import ARCHITECTURES, tiny_model, tiny_tokenizer
from tests.workshop import checkpoint_folder, done, task_folder, worked

PAIR = {"text": ["the film"], "pair": ["a plot was dull"], "label": [0]}
FORMATS = ("pruned", "gated", "onnx")
# Run in the folder of one export after another, by people who have transformers alone.
ELSEWHERE = """
import importlib.util, json, os, pathlib, re, sys
import numpy as np
import torch

def logits(names, inputs):
    if "session" in names:
        wanted = [each.name for each in names["session"].get_inputs()]
        given = {name: np.asarray(inputs[name]).astype("int64") for name in wanted}
        return names["session"].run(["logits"], given)[0]
    with torch.no_grad():
        tensors = {name: torch.as_tensor(np.asarray(each)) for name, each in inputs.items()}
        return names["model"](**tensors).logits.numpy()

assert importlib.util.find_spec("sparsekd") is None
for folder in map(pathlib.Path, json.loads(sys.argv[1])):
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    sys.modules.pop("load_pruned", None)
    code = re.search("```python\\n(.*?)```", (folder / "README.md").read_text(), re.S)[1]
    names = {}
    exec(code, names)  # the card's own words
    with np.load(folder.parent / "inputs.npz") as file:
        ids = logits(names, dict(file))
    pair = logits(names, names["tokenizer"]("the film", "a plot was dull", return_tensors="np"))
    np.savez(folder.parent / f"{folder.name}.npz", ids=ids, pair=pair)
    sys.path.remove(str(folder))
assert not any(name.split(".")[0] == "sparsekd" for name in sys.modules)
"""


def quiet(_phase: str) -> None:
    pass


def saved(folder: Path, architecture: str = "bert", **options: Any) -> str:
    """A tiny classifier in a folder, as recipes name it."""
    loading.save(tiny_model(architecture, layers=3, **options), tiny_tokenizer(), folder)
    return references.model(str(folder))


def holed(seed: int = 1) -> Mask:
    """A mask with a layer without heads, one without neurons, and gaps elsewhere."""
    rng = np.random.default_rng(seed)
    heads, neurons = rng.random((3, 3)) < 0.6, rng.random((3, 20)) < 0.6
    heads[0], heads[1], neurons[2] = [False, True, True], False, False
    return Mask(heads, neurons, {"lam": 0.5})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_others_open_every_export_and_get_the_gated_logits(tmp_path: Path) -> None:
    mask, expected, folders = holed(), {}, []
    for architecture in ARCHITECTURES:
        place = tmp_path / architecture
        reference = saved(place / "model", architecture)
        for form in FORMATS:
            export_model(reference, ExportParams.of({"format": form}), place / form, mask, quiet)
            folders.append(str(place / form))
        model, _ = loading.load_saved(place / "model")
        inputs = exporting.sample_inputs(model, 4, 9, seed=7)
        np.savez(place / "inputs.npz", **{name: each.numpy() for name, each in inputs.items()})
        known = exporting.gated_runner(model, mask)
        pair = encode(pd.DataFrame(PAIR), tiny_tokenizer(), 16).batch(np.array([0])).inputs(model)
        expected[architecture] = {"ids": known(inputs), "pair": known(pair)}
    elsewhere = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    ended = subprocess.run(
        [sys.executable, "-I", "-c", ELSEWHERE, json.dumps(folders)],
        cwd=tmp_path, env=elsewhere, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    for architecture, logits in expected.items():
        for form in FORMATS:
            with np.load(tmp_path / architecture / f"{form}.npz") as found:
                for name, known in logits.items():
                    np.testing.assert_allclose(found[name], known, 1e-5, 1e-5, err_msg=form)


def test_the_pruned_export_is_smaller_and_the_gated_one_is_not(tmp_path: Path) -> None:
    reference, mask = saved(tmp_path / "model"), holed()
    sizes = {}
    for form in ("pruned", "gated"):
        export_model(reference, ExportParams.of({"format": form}), tmp_path / form, mask, quiet)
        sizes[form] = (tmp_path / form / "model.safetensors").stat().st_size
    sizes["dense"] = (tmp_path / "model" / "model.safetensors").stat().st_size
    assert sizes["pruned"] < sizes["gated"] == sizes["dense"]


def test_an_export_can_be_used_by_this_program_too(tmp_path: Path) -> None:
    reference, mask = saved(tmp_path / "model"), holed()
    export_model(reference, ExportParams(), tmp_path / "out", mask, quiet)
    model, _ = loading.load_saved(tmp_path / "out")
    dense, _ = loading.load_saved(tmp_path / "model")
    assert architectures.shape(model) == shape.pruned(architectures.shape(dense), mask)


def test_a_mask_of_another_shape_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    reference = saved(tmp_path / "model", neurons=21)
    for form in FORMATS:
        with pytest.raises(Incompatible, match=r"\(3, 20\)"):
            export_model(
                reference, ExportParams.of({"format": form}), tmp_path / "out", holed(), quiet
            )
    assert [each.name for each in tmp_path.iterdir() if "out" in each.name] == []


def test_a_copy_with_other_logits_is_not_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = saved(tmp_path / "model")
    dense, _ = loading.load_saved(tmp_path / "model")
    monkeypatch.setattr(exporting, "widened", lambda *_: dense)
    with pytest.raises(Incompatible, match="logits differ"):
        params = ExportParams.of({"format": "gated"})
        export_model(reference, params, tmp_path / "out", holed(), quiet)
    assert [each.name for each in tmp_path.iterdir() if "out" in each.name] == []


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    reference = saved(tmp_path / "model")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "diary.txt").write_text("mine")
    with pytest.raises(BadInput, match="not empty"):
        export_model(reference, ExportParams(), tmp_path / "out", None, quiet)
    assert (tmp_path / "out" / "diary.txt").read_text() == "mine"


def test_one_mask_fits_another_checkpoint_of_the_same_shape(tmp_path: Path) -> None:
    mask, logits = holed(), []
    for seed in (0, 1):
        reference = saved(tmp_path / f"model{seed}", seed=seed)
        export_model(reference, ExportParams(), tmp_path / f"out{seed}", mask, quiet)
        model, _ = loading.load_saved(tmp_path / f"out{seed}")
        logits.append(exporting.runner(model)(exporting.sample_inputs(model, 3, 8)))
    assert not torch.allclose(logits[0], logits[1])


# --- the card and the recipe -----------------------------------------------------------------


def test_the_recipe_names_no_place_of_this_machine(tmp_path: Path) -> None:
    reference = saved(tmp_path / "model")
    made_by = {"scores": {"inputs": {"teacher": reference}}}
    mask = Mask(holed().heads, holed().neurons, made_by)
    export_model(reference, ExportParams(), tmp_path / "out", mask, quiet)
    known = json.loads((tmp_path / "out" / "recipe.json").read_text())
    assert known["model"] == f"folder:model#{reference.rpartition('#')[2]}"
    assert known["mask"]["scores"]["inputs"]["teacher"] == known["model"]
    for file in ("recipe.json", "README.md", "config.json"):
        assert str(tmp_path) not in (tmp_path / "out" / file).read_text()


def test_a_label_with_markup_stays_text(tmp_path: Path) -> None:
    model = tiny_model(layers=3)
    model.config.id2label = {0: "```\n# a title", 1: "<script>"}
    model.config.label2id = {"```\n# a title": 0, "<script>": 1}
    proof = {"texts": 1, "largest_difference": 0.0}
    known = modelcard.facts(model, "folder:x#1", "pruned", None, proof)
    words = modelcard.card(known, evaluated=True)
    blocks = words.split("```")
    assert len(blocks) % 2 == 1
    assert "# a title" not in words.splitlines()
    assert [block for block in blocks[::2] if "script" in block] == []


# --- runs ------------------------------------------------------------------------------------


@pytest.fixture
def pruned(tmp_path: Path) -> Run:
    """A pruning run of a tiny teacher, by a random mask."""
    card = references.task(str(task_folder(tmp_path / "task")))
    teacher = references.model(str(checkpoint_folder(tmp_path / "teacher")))
    params = MaskParams(kind="random", sparsity=0.5, round_to=1)
    return done(recipes.prune(card.name, teacher, "", params, 16))


def test_a_pruning_run_is_exported_with_its_mask_and_recipes(pruned: Run) -> None:
    for form in FORMATS:
        params = ExportParams.of({"format": form})
        run = done(recipes.export(pruned.recipe.task, pruned.id, params))
        known = json.loads((run.folder / "export" / "recipe.json").read_text())
        assert list(known["recipes"]) == [pruned.id]
        assert known["metrics"] == pruned.outcome.metrics
        assert run.outcome.facts["checked"]["largest_difference"] < 1e-4
        assert not list(run.folder.glob(".*.export"))
    mask = Mask.load(pruned.folder / "mask.npz")
    wide, _ = loading.load_saved(
        store.folder(recipes.export(pruned.recipe.task, pruned.id,
                                  ExportParams.of({"format": "gated"})).run_id) / "export"
    )  # fmt: skip
    for layer, kept in zip(architectures.layers(wide), mask.neurons, strict=True):
        columns = (layer.neuron_site.weight != 0).any(dim=0).numpy()
        np.testing.assert_array_equal(columns, kept)


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
    reference, mask = saved(tmp_path / "model"), holed()
    params = MeasureParams(batch_sizes=(1,), tokens=(4,), rounds=3)
    run = done(recipes.measure("", reference, params, "cpu", masks.keep(mask)))
    dense, _ = loading.load_saved(tmp_path / "model")
    smaller = sum(each.numel() for each in prune(dense, mask).parameters())
    rows = measurements.table(run).set_index("variant")
    assert rows.loc["pruned", "parameters"] == smaller
    assert run.outcome.facts["checked"]["largest_difference"] < 1e-4


def test_a_whole_model_has_one_variant_and_nothing_to_prove(tmp_path: Path) -> None:
    params = MeasureParams(batch_sizes=(1,), tokens=(4,), rounds=3)
    run = done(recipes.measure("", saved(tmp_path / "model"), params, "cpu"))
    assert measurements.table(run)["variant"].tolist() == ["dense"]
    assert run.outcome.facts["checked"] is None


@pytest.mark.parametrize(
    ("tokens", "mask", "message"),
    [(600, "", "600 tokens are more"), (4, "mask:0123456789abcdef", "is gone")],
)
def test_what_cannot_be_measured_is_told(
    tmp_path: Path, tokens: int, mask: str, message: str
) -> None:
    params = MeasureParams(batch_sizes=(1,), tokens=(tokens,), rounds=3)
    run = worked(recipes.measure("", saved(tmp_path / "model"), params, "cpu", mask))
    assert run.state is State.FAILED
    assert message in run.outcome.message


def test_another_repeat_or_device_is_another_measurement() -> None:
    asked = [
        recipes.measure("", "folder:x#1", MeasureParams(), device, repeat=repeat).run_id
        for device, repeat in (("cpu", 0), ("cpu", 1), ("cuda:0", 0))
    ]
    assert len(set(asked)) == 3
