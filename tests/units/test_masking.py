"""Masks are pure functions of scores; their counts are the published ones."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sparsekd.errors import BadInput, NotFound, SparseKDError
from sparsekd.units.masking import (
    Mask,
    Scores,
    decide,
    knowledgeableness,
    normalised,
    random_ranks,
)

PUBLISHED = [0, 14, 29, 43, 58, 72, 86, 101, 115, 130]  # heads of BERT-base removed at 0 … 90%


def scores(layers: int = 3, heads: int = 4, neurons: int = 40, seed: int = 0) -> Scores:
    draws = np.random.default_rng(seed)
    return Scores(
        *(draws.random((layers, width)) for width in (heads, heads, neurons, neurons)),
        {"teacher": "a", "examples": 7},
    )


def ranks(draws: np.random.Generator, layers: int = 3) -> tuple[np.ndarray, np.ndarray]:
    return draws.random((layers, 4)), draws.random((layers, 40))


def random_mask(shape: tuple[int, int, int], sparsity: float, seed: int, round_to: int = 8) -> Mask:
    return decide(*random_ranks(shape, seed), sparsity, round_to=round_to)


def few_values(width: int) -> st.SearchStrategy[np.ndarray]:
    """Matrices of three values only: mostly ties."""
    return arrays.arrays(np.float64, (3, width), elements=st.sampled_from([0.0, 0.5, 1.0]))


def by_sorting(values: np.ndarray, count: int) -> np.ndarray:
    """The slow way: sort (value, layer, index) and take the first."""
    cells = sorted((values[at], *at) for at in np.ndindex(*values.shape))
    chosen = np.zeros(values.shape, dtype=bool)
    for _, layer, index in cells[:count]:
        chosen[layer, index] = True
    return chosen


def test_bert_base_loses_as_many_heads_as_in_the_published_code():
    heads, neurons = np.random.default_rng(0).random((12, 12)), np.ones((12, 3072))
    masks = [decide(heads, neurons, tenth / 10) for tenth in range(10)]
    assert [int((~mask.heads).sum()) for mask in masks] == PUBLISHED


def test_half_a_unit_rounds_to_even():
    removed = [
        int((~decide(np.ones((1, width)), np.ones((1, 8)), 0.5).heads).sum()) for width in (5, 7)
    ]
    assert removed == [2, 4]


def test_knowledgeableness_by_hand():
    made = Scores(
        np.array([[3.0, 4.0]]), np.array([[0.0, 2.0]]), np.array([[1.0]]), np.array([[0.0]])
    )
    heads, neurons = knowledgeableness(made, 0.25)
    np.testing.assert_allclose(heads, [[0.25 * 0.6, 0.25 * 0.8 + 0.75 * 1.0]], rtol=1e-6)
    np.testing.assert_allclose(neurons, [[0.25]], rtol=1e-6)
    raw, _ = knowledgeableness(made, 0.25, "none")
    np.testing.assert_allclose(raw, [[0.75, 2.5]])


def test_a_layer_of_zeros_stays_zero_when_normalised():
    assert normalised(np.zeros((2, 3))).tolist() == [[0.0] * 3] * 2


def test_lambda_one_ignores_friendliness_and_lambda_zero_expressiveness():
    made, other = scores(seed=0), scores(seed=1)
    mixed = Scores(
        made.head_expressiveness,
        other.head_friendliness,
        made.neuron_expressiveness,
        other.neuron_friendliness,
    )
    for lam, same in ((1.0, made), (0.0, other)):
        for one, two in zip(
            knowledgeableness(mixed, lam), knowledgeableness(same, lam), strict=True
        ):
            np.testing.assert_array_equal(one, two)


def test_heads_and_neurons_may_have_their_own_sparsity():
    mask = decide(*ranks(np.random.default_rng(0)), 0.25, neuron_sparsity=0.5, round_to=1)
    assert (~mask.heads).sum() == 3
    assert (~mask.neurons).sum() == 60


def test_neurons_removed_per_layer_are_rounded_half_to_even_and_capped():
    neurons = np.ones((3, 12))
    neurons[0, :4], neurons[1] = 0, 0  # 4 rounds to 0; 12 to 16, of which there are 12
    mask = decide(np.ones((3, 4)), neurons, 0.0, neuron_sparsity=16 / 36, round_to=8)
    assert (~mask.neurons).sum(axis=1).tolist() == [0, 12, 0]
    assert (~decide(np.ones((3, 4)), neurons, 0.0, 16 / 36, 1).neurons).sum(axis=1).tolist() == [
        4,
        12,
        0,
    ]


def test_rounding_adds_the_next_lowest_neurons_of_the_layer():
    neurons = np.arange(16.0)[::-1].reshape(1, 16)
    mask = decide(np.ones((1, 4)), neurons, 0.0, neuron_sparsity=6 / 16, round_to=8)
    assert np.flatnonzero(~mask.neurons[0]).tolist() == list(range(8, 16))


@given(few_values(4), few_values(24), st.floats(0, 0.9))
@settings(deadline=None, max_examples=60)
def test_ties_break_by_layer_then_index(heads, neurons, sparsity):
    mask = decide(heads, neurons, sparsity, round_to=1)
    np.testing.assert_array_equal(~mask.heads, by_sorting(heads, round(sparsity * 12)))
    np.testing.assert_array_equal(~mask.neurons, by_sorting(neurons, round(sparsity * 72)))


@given(few_values(4), few_values(24), st.floats(0, 0.9), st.floats(0, 0.9))
@settings(deadline=None, max_examples=60)
def test_a_sparser_mask_keeps_no_unit_that_a_denser_one_removes(heads, neurons, one, two):
    dense, sparse = (decide(heads, neurons, p, round_to=1) for p in sorted((one, two)))
    assert not (sparse.heads & ~dense.heads).any()
    assert not (sparse.neurons & ~dense.neurons).any()


def test_the_same_scores_give_the_same_mask_and_are_left_as_they_were():
    made = scores()
    before = made.head_expressiveness.copy()
    one, two = (decide(*knowledgeableness(made, 0.5), 0.5) for _ in range(2))
    np.testing.assert_array_equal(one.neurons, two.neurons)
    np.testing.assert_array_equal(made.head_expressiveness, before)


def test_random_masks_differ_by_seed_only_and_remove_as_much():
    shape = (12, 12, 3072)
    one, again, other = (random_mask(shape, 0.3, seed, round_to=1) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.neurons, again.neurons)
    assert (one.heads != other.heads).any()
    assert [(~one.heads).sum(), (~one.neurons).sum()] == [43, round(0.3 * 12 * 3072)]
    rounded = (~random_mask(shape, 0.3, 1).neurons).sum(axis=1)
    assert (rounded % 8 == 0).all()


def test_a_random_mask_has_no_favourite_unit():
    removed = sum((~random_mask((2, 4, 8), 0.5, seed).heads).astype(int) for seed in range(400))
    assert removed.min() > 160  # 200 expected, standard deviation 10
    assert removed.max() < 240


@pytest.mark.parametrize("value", [-0.1, 1.01, float("nan"), float("inf")])
def test_lambda_and_sparsity_outside_the_unit_interval_are_refused(value):
    made = scores()
    refusals = (
        lambda: knowledgeableness(made, value),
        lambda: decide(*knowledgeableness(made, 0.5), value),
        lambda: decide(*knowledgeableness(made, 0.5), 0.5, neuron_sparsity=value),
    )
    for refused in refusals:
        with pytest.raises(BadInput, match="outside"):
            refused()


@pytest.mark.parametrize(("heads", "neurons"), [(1.0, 0.5), (0.5, 1.0), (0.97, 0.5)])
def test_a_sparsity_that_empties_every_layer_is_refused(heads, neurons):
    with pytest.raises(BadInput, match="empties every layer") as caught:
        decide(*ranks(np.random.default_rng(0)), heads, neurons)
    assert "lower" in caught.value.hint


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_are_refused(bad):
    heads, neurons = ranks(np.random.default_rng(0))
    heads[1, 2] = bad
    with pytest.raises(BadInput, match="NaN or infinite"):
        Scores(heads, heads, neurons, neurons)
    with pytest.raises(BadInput, match="NaN or infinite"):
        decide(heads, neurons, 0.5)


def test_scores_too_large_for_their_file_format_are_refused():
    with pytest.raises(BadInput, match="NaN or infinite"):
        Scores(np.full((1, 1), 1e300), np.ones((1, 1)), np.ones((1, 1)), np.ones((1, 1)))


def test_matrices_that_do_not_belong_together_are_refused():
    one, two = np.ones((3, 4)), np.ones((2, 4))
    for wrong in ((one, two, one, one), (one, one, two, two), (one[0], one[0], one, one)):
        with pytest.raises(BadInput):
            Scores(*wrong)
    with pytest.raises(BadInput, match="layers"):
        decide(one, two, 0.5)
    with pytest.raises(BadInput, match="booleans"):
        Mask(one, one)
    with pytest.raises(BadInput, match="round_to"):
        decide(one, one, 0.5, round_to=0)
    with pytest.raises(BadInput, match="normalise"):
        knowledgeableness(scores(), 0.5, "row")


def test_scores_come_back_as_they_were_saved(tmp_path: Path):
    made = scores()
    made.save(tmp_path / "scores.npz")
    back = Scores.load(tmp_path / "scores.npz")
    np.testing.assert_array_equal(back.neuron_friendliness, made.neuron_friendliness)
    assert back.provenance == made.provenance
    assert [path.name for path in tmp_path.iterdir()] == ["scores.npz"]


def test_the_file_formats_are_the_promised_ones(tmp_path: Path):
    made = scores()
    made.save(tmp_path / "scores")  # no .npz is appended to a name
    with np.load(tmp_path / "scores", allow_pickle=False) as content:
        names = {"head_expressiveness", "head_friendliness"}
        names |= {"neuron_expressiveness", "neuron_friendliness"}
        assert set(content.files) == names | {"provenance"}
        assert {content[name].dtype for name in names} == {np.dtype(np.float32)}
        assert json.loads(str(content["provenance"])) == made.provenance
    decide(*knowledgeableness(made, 0.5), 0.5).save(tmp_path / "mask.npz")
    with np.load(tmp_path / "mask.npz", allow_pickle=False) as content:
        assert content["heads"].dtype == content["neurons"].dtype == np.bool_
        assert content["neurons"].shape == (3, 40)
    assert Mask.load(tmp_path / "mask.npz").shape == made.shape


def test_a_file_without_provenance_still_loads(tmp_path: Path):
    np.savez(tmp_path / "mask.npz", heads=np.ones((1, 2), bool), neurons=np.ones((1, 3), bool))
    assert Mask.load(tmp_path / "mask.npz").provenance == {}


@pytest.mark.parametrize("length", [0, 10, 400, 900])
def test_a_truncated_file_is_refused(tmp_path: Path, length: int):
    whole = tmp_path / "scores.npz"
    scores().save(whole)
    whole.write_bytes(whole.read_bytes()[:length])
    with pytest.raises(BadInput, match="cut short"):
        Scores.load(whole)


def test_files_of_another_kind_are_refused(tmp_path: Path):
    (tmp_path / "text.npz").write_text("no scores")
    np.save(tmp_path / "bare.npy", np.ones(3))
    np.savez(tmp_path / "pickle.npz", heads=np.array([{}]), neurons=np.ones((1, 1)))
    np.savez(tmp_path / "other.npz", something=np.ones(3))
    decide(*ranks(np.random.default_rng(0)), 0.5).save(tmp_path / "mask.npz")
    scores().save(tmp_path / "scores.npz")
    for name in ("text.npz", "bare.npy", "pickle.npz", "other.npz", "scores.npz"):
        with pytest.raises(BadInput):
            Mask.load(tmp_path / name)
    with pytest.raises(BadInput, match="head_expressiveness"):
        Scores.load(tmp_path / "mask.npz")
    with pytest.raises(NotFound):
        Scores.load(tmp_path / "absent.npz")
    with pytest.raises(SparseKDError):
        Scores.load(tmp_path)


def test_a_folder_that_cannot_take_the_file_is_said_and_the_old_file_stays(tmp_path: Path):
    (tmp_path / "occupied").write_text("a file, not a folder")
    with pytest.raises(SparseKDError, match="occupied"):
        scores().save(tmp_path / "occupied" / "scores.npz")
    assert (tmp_path / "occupied").read_text() == "a file, not a folder"
