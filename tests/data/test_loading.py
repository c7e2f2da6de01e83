"""From a card to frames: demo, folder and hub tasks alike."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sparsekd.data import hub, load
from sparsekd.errors import Unavailable
from sparsekd.tasks import TASKS, find, local
from sparsekd.tasks.overlaps import overlaps

REAL = Path(os.environ.get("SPARSEKD_TEST_DATA", "/nowhere")) / "data" / "glue"
needs_real_data = pytest.mark.skipif(
    not REAL.is_dir(), reason="SPARSEKD_TEST_DATA names no folder with data/glue"
)


@pytest.fixture
def films(tmp_path):
    rows = pd.DataFrame({"sentence": [f"film {n}" for n in range(500)], "label": [0, 1] * 250})
    rows[:400].to_parquet(tmp_path / "train.parquet")
    rows[400:].to_parquet(tmp_path / "validation.parquet")
    return tmp_path


@pytest.mark.parametrize("name", [name for name in TASKS if name.startswith("demo/")])
def test_a_demo_task_has_train_selection_and_validation(name):
    frames = load(find(name))
    assert list(frames) == ["train", "selection", "validation"]
    assert [len(frame) for frame in frames.values()] == [7200, 800, 1000]
    columns = ["text", "pair", "label"] if find(name).pair else ["text", "label"]
    assert all(list(frame.columns) == columns for frame in frames.values())
    assert [each.duplicates for each in overlaps(frames)] == [0, 0]


def test_a_folder_has_the_same_three_splits(films):
    frames = load(local.inspect(films))
    assert {name: len(frame) for name, frame in frames.items()} == {
        "train": 200,
        "selection": 200,
        "validation": 100,
    }


def test_a_hub_task_is_read_through_datasets(films, monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path / "cache"))
    frames = load(replace(find("glue/sst2"), location=f"{films}:default"))
    assert frames["validation"]["text"].tolist() == [f"film {n}" for n in range(400, 500)]
    assert frames["validation"]["label"].dtype == np.int64


def test_an_offline_hub_is_an_error_at_once_with_a_hint(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", str(tmp_path))
    with pytest.raises(Unavailable, match="glue/mnli cannot be loaded from the hub") as caught:
        load(find("glue/mnli"))
    assert "use a local folder" in caught.value.hint
    assert "premise, hypothesis, label" in caught.value.hint


def test_a_hub_that_does_not_respond_is_not_reachable(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    assert not hub.reachable()


def test_offline_mode_restores_the_libraries_settings():
    import datasets.config

    before = datasets.config.HF_HUB_OFFLINE
    with hub.offline():
        assert datasets.config.HF_HUB_OFFLINE
    assert before == datasets.config.HF_HUB_OFFLINE


def test_data_is_imported_without_datasets():
    code = "import sys, sparsekd.data; sys.exit('datasets' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Rows as their publishers count them; validation texts that are training texts, word by word.
GLUE = {
    "sst2": (67_349, 872, None),  # its texts take seconds to compare
    "rte": (2_490, 277, 0),
    "mrpc": (3_668, 408, 0),
    "cola": (8_551, 1_043, 18),
    "stsb": (5_749, 1_500, 6),
}


@needs_real_data
@pytest.mark.parametrize("task", GLUE)
def test_real_folders_are_understood_without_help(task):
    train, validation, doubles = GLUE[task]
    card = local.inspect(REAL / task)
    frames = load(card)
    assert len(frames["train"]) + len(frames["selection"]) == train
    assert len(frames["validation"]) == validation
    if doubles is not None:
        assert overlaps(frames)[1].duplicates == doubles
    if task == "rte":
        assert overlaps(frames)[0].share == pytest.approx(66 / 249)
        assert overlaps(load(local.with_groups(card, "text")))[0].share == 0.0
    assert (card.regression, card.classes) == (task == "stsb", 1 if task == "stsb" else 2)
