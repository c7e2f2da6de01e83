"""The state of a training as a file: whole or not there, no pickle."""

import pytest
import torch

from sparsekd.errors import BadInput, NotFound, Unavailable
from sparsekd.training.checkpoint import Checkpoint

SAVED = Checkpoint(
    {
        "model/a.weight": torch.randn(3, 2),
        "model/b": torch.zeros(4, 0),
        "sums/x": torch.tensor(1.5),
    },
    {"step": 3, "seconds": 0.1 + 0.2, "history": [{"losses": {"hard": 1 / 3}}]},
)


def test_a_checkpoint_comes_back_bit_by_bit(tmp_path):
    SAVED.save(tmp_path / "state.safetensors")
    back = Checkpoint.load(tmp_path / "state.safetensors")
    assert back.facts == SAVED.facts
    assert back.tensors.keys() == SAVED.tensors.keys()
    assert all(torch.equal(back.tensors[name], SAVED.tensors[name]) for name in back.tensors)


def test_a_part_is_found_by_its_name():
    assert set(SAVED.part("model")) == {"a.weight", "b"}


def test_only_the_finished_file_is_left_in_the_folder(tmp_path):
    for _ in range(2):
        SAVED.save(tmp_path / "state.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


def test_a_file_cut_short_is_refused(tmp_path):
    path = tmp_path / "state.safetensors"
    SAVED.save(path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(BadInput, match="not the state of a training"):
        Checkpoint.load(path)


def test_weights_without_a_state_are_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, tmp_path / "model.safetensors")
    with pytest.raises(BadInput, match="not the state of a training"):
        Checkpoint.load(tmp_path / "model.safetensors")


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(NotFound):
        Checkpoint.load(tmp_path / "state.safetensors")


def test_a_folder_that_cannot_be_made_is_said_to_be_unavailable(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable):
        SAVED.save(tmp_path / "file" / "state.safetensors")
