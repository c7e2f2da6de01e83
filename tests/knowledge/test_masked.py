"""Many masks in one pass change no logit: against one pruned model for each of them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsekd.errors import Incompatible
from sparsekd.knowledge import evaluation, masked
from sparsekd.knowledge.mask_tree import Tree
from sparsekd.models import architectures
from sparsekd.models.pruning import prune
from sparsekd.system import budgets
from sparsekd.units.masking import Mask
from tests.tiny_data import tiny_data

Make = Callable[..., Any]
STRATEGIES = ("sliced", "stacked")


def some_masks(grid: tuple[int, int, int]) -> list[Mask]:
    """Nothing removed (twice), ragged ones, empty blocks, a common bottom layer, equals apart."""
    drawn, full = np.random.default_rng(1), Mask.full(grid)

    def ragged(share: float) -> Mask:
        return Mask(
            drawn.random(full.heads.shape) < share, drawn.random(full.neurons.shape) < share
        )

    masks = [Mask.full(grid), ragged(0.8), ragged(0.5), ragged(0.2), Mask.full(grid)]
    common = ragged(0.6)
    for _ in range(3):
        other = ragged(0.5)
        other.heads[:2], other.neurons[:2] = common.heads[:2], common.neurons[:2]
        masks.append(other)
    for layer, units in ((0, "heads"), (grid[0] - 1, "neurons"), (1, "heads")):
        empty = ragged(0.7)
        getattr(empty, units)[layer] = False
        masks.append(empty)
    nothing = Mask(np.zeros_like(full.heads), np.zeros_like(full.neurons))
    return [*masks, nothing, masks[6]]


def one_by_one(model: Any, data: Any, masks: list[Mask]) -> np.ndarray:
    """A model of its own for each mask, through none of the code under test."""
    return np.stack([evaluation.predict(prune(model, mask), data) for mask in masks])


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("architecture", "labels"),
    [("bert", 2), ("bert", 1), ("roberta", 2), ("distilbert", 1), ("electra", 2)],
)
def test_logits_are_those_of_one_pruned_model_per_mask(
    architecture: str, tiny: Make, labels: int, strategy: masked.Strategy
) -> None:
    model, data = tiny(architecture, labels=labels, layers=3), tiny_data(23, labels)
    masks = some_masks(architectures.shape(model).grid())
    expected = one_by_one(model, data, masks)
    found = masked.predict(model, data, masks, strategy=strategy)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    moved = np.abs(expected - expected[0]).max(axis=(1, 2))
    assert (np.delete(moved, [0, 4]) > 1e-3).all()  # no mask for which a wrong answer could pass


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_eager_attention_is_as_good(tiny: Make, strategy: masked.Strategy) -> None:
    model, data = tiny(layers=3), tiny_data(9)
    masks = some_masks(architectures.shape(model).grid())
    expected = one_by_one(model, data, masks)
    model.set_attn_implementation("eager")
    found = masked.predict(model, data, masks, strategy=strategy)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_answer_does_not_depend_on_what_fits_into_memory(
    tiny: Make, monkeypatch: pytest.MonkeyPatch, strategy: masked.Strategy
) -> None:
    model, data = tiny(layers=3), tiny_data(23)
    masks = some_masks(architectures.shape(model).grid())
    expected = masked.predict(model, data, masks, strategy=strategy)
    monkeypatch.setattr(masked, "STATE_BYTES", 1)
    monkeypatch.setattr(masked, "MASKS_PER_PASS", 3)
    monkeypatch.setitem(budgets.TOKENS, "cpu", 1)
    found = masked.predict(model, data, masks, strategy=strategy)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_what_masks_share_is_computed_once() -> None:
    """Counted by hand: three masks, two of them equal in the two bottom layers, one twice."""
    one = Mask.full((3, 2, 4))
    top, middle = Mask.full((3, 2, 4)), Mask.full((3, 2, 4))
    top.neurons[2, 0] = False
    middle.heads[1, 0] = False
    tree = Tree.of([one, top, middle, Mask.full((3, 2, 4))])
    assert [len(level.parents) for level in tree.levels] == [1, 2, 3]
    assert tree.ends[0] == tree.ends[3]
    assert len(set(tree.ends)) == 3


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_every_mask_finds_its_own_flags_on_its_way_up(codes: list[tuple[int, ...]]) -> None:
    masks = [
        Mask(
            np.array([[bool(code & 1)] for code in layers]),
            np.array([[bool(code & 2), True] for code in layers]),
        )
        for layers in codes
    ]
    tree = Tree.of(masks)
    assert len(tree.levels[-1].parents) == len(set(codes))
    for mask, node in zip(masks, tree.ends, strict=True):
        for number in (2, 1, 0):
            np.testing.assert_array_equal(tree.levels[number].heads[node], mask.heads[number])
            np.testing.assert_array_equal(tree.levels[number].neurons[node], mask.neurons[number])
            node = tree.levels[number].parents[node]
        assert node == 0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_teacher_is_left_as_it_was_even_after_an_error(
    architecture: str, tiny: Make, strategy: masked.Strategy
) -> None:
    model, data = tiny(architecture, layers=3).train(), tiny_data(5)
    weights = {name: weight for name, weight in model.named_parameters()}
    values = {name: weight.detach().clone() for name, weight in weights.items()}
    reported: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        reported.append((done, total))
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        masks = some_masks(architectures.shape(model).grid())
        masked.predict(model, data, masks, on_progress=stop, strategy=strategy)
    assert reported[0][1] == len(masks) * 5
    assert model.training
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in model.modules())
    for name, weight in model.named_parameters():
        assert weight is weights[name]
        assert weight.requires_grad
        np.testing.assert_array_equal(weight.detach(), values[name])


def test_progress_ends_at_the_total(tiny: Make) -> None:
    model, data, reported = tiny(layers=3), tiny_data(11), []
    masks = some_masks(architectures.shape(model).grid())
    for strategy in STRATEGIES:
        masked.predict(
            model,
            data,
            masks,
            on_progress=lambda *counts: reported.append(counts),
            strategy=strategy,
        )
        assert reported[-1] == (len(masks) * 11, len(masks) * 11)


def test_slicing_is_chosen_where_it_spares_more_than_it_costs(tiny: Make) -> None:
    shape, data = architectures.shape(tiny(layers=3)), tiny_data(11)
    tree = Tree.of(some_masks(shape.grid()))
    assert masked.choose_strategy(shape, tree, data, "cpu") == "stacked"
    wide = architectures.shape(tiny(layers=3, hidden=240, neurons=2000))
    tree = Tree.of(some_masks(wide.grid()))
    many = tiny_data(500)
    assert masked.choose_strategy(wide, tree, many, "cpu") == "sliced"
    full = Tree.of([Mask.full(wide.grid())])
    assert masked.choose_strategy(wide, full, many, "cpu") == "stacked"  # nothing is spared


def test_a_mask_of_another_model_is_refused_and_nothing_gives_nothing(tiny: Make) -> None:
    model, data = tiny(layers=3), tiny_data(5)
    with pytest.raises(Incompatible, match="The mask has heads"):
        masked.predict(model, data, [Mask.full((3, 9, 9))])
    assert masked.predict(model, data, []).shape == (0, 5, 2)
    assert masked.predict(model, tiny_data(0), some_masks((3, 3, 20))).shape == (13, 0, 2)
