"""Ablations on disk, and the ranking of neurons into groups."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sparsekd.errors import BadInput, NotFound
from sparsekd.units.ablation import GROUPS, HEADS, NEURONS, Ablation, ranked_groups

L, H, F, G = 3, 2, 10, 4


def sample(student: bool = True, singly: bool = True, **changed: Any) -> Ablation:
    """Changes that all differ."""
    drawn = np.random.default_rng(0)
    arrays = {name: drawn.normal(size=(L, H)).astype(np.float32) for name in HEADS}
    arrays |= {name: drawn.normal(size=(L, G)).astype(np.float32) for name in GROUPS}
    arrays["groups"] = ranked_groups(drawn.random((L, F)), G)
    arrays["dense"] = np.array([0.5, 0.9, 0.1])
    if singly:
        arrays |= {name: drawn.normal(size=F).astype(np.float32) for name in NEURONS}
    if not student:
        for name in [name for name in arrays if name.endswith("distance")]:
            arrays[name] = np.full_like(arrays[name], np.nan)
        arrays["dense"][2] = np.nan
    layer = 1 if singly else None
    made = {"provenance": {"metric": "f1", "split": "selection"}}
    return Ablation(**(arrays | made | changed), neuron_layer=layer)


@pytest.mark.parametrize("student", [True, False])
@pytest.mark.parametrize("singly", [True, False])
def test_what_is_saved_is_loaded(tmp_path: Path, student: bool, singly: bool) -> None:
    made = sample(student, singly)
    made.save(tmp_path / "a.npz")
    found = Ablation.load(tmp_path / "a.npz")
    for name in (*HEADS, *GROUPS, "groups", "dense", *(NEURONS if singly else ())):
        np.testing.assert_array_equal(getattr(found, name), getattr(made, name))
    assert found.neuron_layer == made.neuron_layer
    assert found.provenance == made.provenance
    assert found.shape == (L, H, F)
    assert found.metric == "f1"
    assert found.measures == ("task_loss", "metric", *(["distance"] if student else []))
    assert (found.neurons("metric") is not None) == singly


def test_the_file_reads_without_this_program(tmp_path: Path) -> None:
    made = sample()
    made.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as plain:
        np.testing.assert_array_equal(plain["head_task_loss"], made.heads("task_loss"))
        assert plain["head_distance"].dtype == np.float32
        assert plain["groups"].dtype == np.int16
        assert json.loads(str(plain["provenance"]))["metric"] == "f1"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"head_metric": np.zeros((L, H + 1), np.float32)}, "head_metric is of shape"),
        ({"group_metric": np.zeros((L, G + 1), np.float32)}, "group_metric is of shape"),
        ({"neuron_metric": np.zeros(F + 1, np.float32)}, "neuron_metric is of shape"),
        ({"neuron_distance": None}, "neuron_distance is of shape None"),
        ({"head_task_loss": np.full((L, H), np.nan, np.float32)}, "head_task_loss holds"),
        ({"head_distance": np.full((L, H), np.nan, np.float32)}, "head_distance holds"),
    ],
)
def test_what_does_not_belong_together_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        sample(**changed)


def test_another_file_is_no_ablation(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no file"):
        Ablation.load(tmp_path / "none.npz")
    np.savez(tmp_path / "scores.npz", head_expressiveness=np.zeros((2, 2)))
    with pytest.raises(BadInput, match="has no array head_task_loss"):
        Ablation.load(tmp_path / "scores.npz")


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32))
def test_groups_are_equal_in_size_and_follow_the_ranking(
    width: int, groups: int, seed: int
) -> None:
    ranks = np.random.default_rng(seed).integers(0, 5, (2, width)).astype(float)
    if groups > width:
        with pytest.raises(BadInput, match=f"{groups} groups of {width} neurons"):
            ranked_groups(ranks, groups)
        return
    found = ranked_groups(ranks, groups)
    for row, numbers in zip(ranks, found, strict=True):
        sizes = np.bincount(numbers, minlength=groups)
        assert len(sizes) == groups
        assert sizes.max() - sizes.min() <= 1
        by_rank = sorted(range(width), key=lambda n: (row[n], n))
        assert numbers[by_rank].tolist() == sorted(numbers.tolist())
