"""Exports: their files, and that they open without this program and give the same logits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from sparsekd.catalog.stage_parameters import ExportParams
from sparsekd.data import encode
from sparsekd.errors import BadInput, Incompatible
from sparsekd.models import architectures, exporting, loading
from sparsekd.runs import store
from sparsekd.stages import modelcard
from sparsekd.stages.export import export_model
from sparsekd.studies import recipes
from sparsekd.units import shape
from sparsekd.units.masking import Mask
from tests.conftest import ARCHITECTURES, tiny_model, tiny_tokenizer
from tests.stages.pruned_models import mask_with_gaps, pruning_run, saved
from tests.workshop import done

PAIR = {"text": ["the film"], "pair": ["a plot was dull"], "label": [0]}
FORMATS = ("pruned", "gated", "onnx")
# Run in the folder of one export after another, as by someone who has transformers alone.
ELSEWHERE = """
import json, os, pathlib, re, sys
import numpy as np
import torch

sys.modules["sparsekd"] = None  # an import of it fails, wherever it is installed

def logits(names, inputs):
    if "session" in names:
        wanted = [each.name for each in names["session"].get_inputs()]
        given = {name: np.asarray(inputs[name]).astype("int64") for name in wanted}
        return names["session"].run(["logits"], given)[0]
    with torch.no_grad():
        tensors = {name: torch.as_tensor(np.asarray(each)) for name, each in inputs.items()}
        return names["model"](**tensors).logits.numpy()

for folder in map(pathlib.Path, json.loads(sys.argv[1])):
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    sys.modules.pop("load_pruned", None)
    code = re.search("```python\\n(.*?)```", (folder / "README.md").read_text(), re.S)[1]
    names = {}
    exec(code, names)  # the code of the model card
    with np.load(folder.parent / "inputs.npz") as file:
        ids = logits(names, dict(file))
    pair = logits(names, names["tokenizer"]("the film", "a plot was dull", return_tensors="np"))
    np.savez(folder.parent / f"{folder.name}.npz", ids=ids, pair=pair)
    sys.path.remove(str(folder))
"""


def no_progress(_phase: str) -> None:
    pass


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_every_export_opens_elsewhere_and_gives_the_gated_logits(tmp_path: Path) -> None:
    mask, expected, folders = mask_with_gaps(), {}, []
    for architecture in ARCHITECTURES:
        place = tmp_path / architecture
        reference = saved(place / "model", architecture)
        for form in FORMATS:
            export_model(
                reference, ExportParams.of({"format": form}), place / form, mask, no_progress
            )
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
        cwd=tmp_path,
        env=elsewhere,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    for architecture, logits in expected.items():
        for form in FORMATS:
            with np.load(tmp_path / architecture / f"{form}.npz") as found:
                for name, known in logits.items():
                    np.testing.assert_allclose(found[name], known, 1e-5, 1e-5, err_msg=form)


def test_the_pruned_export_is_smaller_and_the_gated_one_is_not(tmp_path: Path) -> None:
    reference, mask = saved(tmp_path / "model"), mask_with_gaps()
    sizes = {}
    for form in ("pruned", "gated"):
        export_model(
            reference, ExportParams.of({"format": form}), tmp_path / form, mask, no_progress
        )
        sizes[form] = (tmp_path / form / "model.safetensors").stat().st_size
    sizes["dense"] = (tmp_path / "model" / "model.safetensors").stat().st_size
    assert sizes["pruned"] < sizes["gated"] == sizes["dense"]


def test_an_export_can_be_used_by_this_program_too(tmp_path: Path) -> None:
    reference, mask = saved(tmp_path / "model"), mask_with_gaps()
    export_model(reference, ExportParams(), tmp_path / "out", mask, no_progress)
    model, _ = loading.load_saved(tmp_path / "out")
    dense, _ = loading.load_saved(tmp_path / "model")
    assert architectures.shape(model) == shape.pruned(architectures.shape(dense), mask)


def test_a_mask_of_another_shape_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    reference = saved(tmp_path / "model", neurons=21)
    for form in FORMATS:
        with pytest.raises(Incompatible, match=r"\(3, 20\)"):
            export_model(
                reference,
                ExportParams.of({"format": form}),
                tmp_path / "out",
                mask_with_gaps(),
                no_progress,
            )
    assert [each.name for each in tmp_path.iterdir() if "out" in each.name] == []


def test_a_copy_with_other_logits_is_not_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = saved(tmp_path / "model")
    dense, _ = loading.load_saved(tmp_path / "model")
    monkeypatch.setattr(exporting, "widened", lambda *_: dense)
    with pytest.raises(Incompatible, match="logits differ"):
        params = ExportParams.of({"format": "gated"})
        export_model(reference, params, tmp_path / "out", mask_with_gaps(), no_progress)
    assert [each.name for each in tmp_path.iterdir() if "out" in each.name] == []


def test_a_folder_that_is_not_empty_is_left_as_it_is(tmp_path: Path) -> None:
    reference = saved(tmp_path / "model")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(BadInput, match="not empty"):
        export_model(reference, ExportParams(), tmp_path / "out", None, no_progress)
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_one_mask_fits_another_checkpoint_of_the_same_shape(tmp_path: Path) -> None:
    mask, logits = mask_with_gaps(), []
    for seed in (0, 1):
        reference = saved(tmp_path / f"model{seed}", seed=seed)
        export_model(reference, ExportParams(), tmp_path / f"out{seed}", mask, no_progress)
        model, _ = loading.load_saved(tmp_path / f"out{seed}")
        logits.append(exporting.runner(model)(exporting.sample_inputs(model, 3, 8)))
    assert not torch.allclose(logits[0], logits[1])


# --- the card and the recipe -----------------------------------------------------------------


def test_the_recipe_has_no_path_of_this_machine(tmp_path: Path) -> None:
    reference = saved(tmp_path / "model")
    made_by = {"scores": {"inputs": {"teacher": reference}}}
    mask = Mask(mask_with_gaps().heads, mask_with_gaps().neurons, made_by)
    export_model(reference, ExportParams(), tmp_path / "out", mask, no_progress)
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


def test_a_pruning_run_is_exported_with_its_mask_and_recipes(tmp_path: Path) -> None:
    pruned = pruning_run(tmp_path)
    for form in FORMATS:
        params = ExportParams.of({"format": form})
        run = done(recipes.export(pruned.recipe.task, pruned.id, params))
        known = json.loads((run.folder / "export" / "recipe.json").read_text())
        assert list(known["recipes"]) == [pruned.id]
        assert known["metrics"] == pruned.outcome.metrics
        assert run.outcome.facts["checked"]["largest_difference"] < 1e-4
        assert not list(run.folder.glob(".*.export"))
    mask = Mask.load(pruned.folder / "mask.npz")
    gated = recipes.export(pruned.recipe.task, pruned.id, ExportParams.of({"format": "gated"}))
    wide, _ = loading.load_saved(store.folder(gated.run_id) / "export")
    for layer, kept in zip(architectures.layers(wide), mask.neurons, strict=True):
        columns = (layer.neuron_site.weight != 0).any(dim=0).numpy()
        np.testing.assert_array_equal(columns, kept)
