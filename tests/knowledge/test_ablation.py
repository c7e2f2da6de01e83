"""Sharing what lies below a removal changes no logit: against full runs of the gated model."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sparsekd.errors import Incompatible
from sparsekd.knowledge import ablation
from sparsekd.knowledge.ablation import Removal, ablate
from sparsekd.knowledge.evaluation import predict
from sparsekd.models import architectures
from sparsekd.models.gates import gated
from sparsekd.models.pruning import prune
from sparsekd.units.masking import Mask
from tests.tiny_data import tiny_data

Make = Callable[..., Any]


def every_removal(model: Any) -> list[Removal]:
    """Heads, groups of neurons and single neurons, two heads at once, and whole blocks."""
    grid = layers, heads, neurons = architectures.shape(model).grid()
    groups = np.arange(layers * neurons).reshape(layers, neurons) % 3
    whole = [
        Removal(layers - 1, "neuron", tuple(range(neurons))),
        Removal(0, "head", tuple(range(heads))),
    ]
    singly = ablation.single_neurons(1, neurons)
    pair = [Removal(1, "head", (0, heads - 1))]
    return [*singly, *ablation.single_heads(grid), *ablation.neuron_groups(groups), *pair, *whole]


def anew(model: Any, data: Any, removals: list[Removal]) -> np.ndarray:
    """The whole model, gated, once for each removal, through none of the code under test."""
    found = [predict(model, data)]
    for removal in removals:
        mask = Mask.full(architectures.shape(model).grid())
        gates = mask.heads if removal.kind == "head" else mask.neurons
        gates[removal.layer, list(removal.units)] = False
        with gated(model, mask):
            found.append(predict(model, data))
    return np.stack(found, axis=1)


@pytest.mark.parametrize(
    ("architecture", "heads", "labels"),
    [
        *(("bert", 3, 2), ("bert", 1, 3), ("bert", 2, 1)),
        *(("roberta", 3, 2), ("distilbert", 2, 1), ("electra", 1, 3)),
    ],
)
def test_shared_prefix_equals_full_runs_of_the_gated_model(
    architecture: str, tiny: Make, heads: int, labels: int
) -> None:
    model, data = tiny(architecture, labels=labels, layers=3, heads=heads), tiny_data(23, labels)
    removals = every_removal(model)
    expected = anew(model, data, removals)
    found = ablate(model, data, removals)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
    moved = np.abs(expected[:, 1:] - expected[:, :1]).max(axis=(0, 2))
    assert (moved > 1e-4).all()  # no removal for which a wrong answer could pass


@pytest.mark.parametrize("room", [1, 30, 100_000])
def test_the_answer_does_not_depend_on_how_many_fit_into_a_batch(
    tiny: Make, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    model, data = tiny(), tiny_data(9)
    removals = every_removal(model)
    expected = ablate(model, data, removals)
    monkeypatch.setattr(ablation, "TOKENS", room)
    np.testing.assert_allclose(ablate(model, data, removals), expected, rtol=0, atol=1e-5)


def test_eager_attention_is_as_good(tiny: Make) -> None:
    model, data = tiny(), tiny_data(9)
    removals = every_removal(model)
    expected = anew(model, data, removals)
    model.set_attn_implementation("eager")
    np.testing.assert_allclose(ablate(model, data, removals), expected, rtol=0, atol=1e-5)


def test_the_model_is_left_as_it_was_even_after_an_error(architecture: str, tiny: Make) -> None:
    model, data = tiny(architecture).train(), tiny_data(5)
    blocks = architectures.blocks(model)
    members = list(blocks)

    def stop(done: int, total: int, eta: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ablate(model, data, every_removal(model), on_progress=stop)
    assert architectures.blocks(model) is blocks
    assert list(blocks) == members
    assert model.training
    assert not any(m._forward_pre_hooks or m._forward_hooks for m in model.modules())


class Shelf:
    """Batches kept in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[int, ...], np.ndarray] = {}
        self.taken = 0

    def get(self, rows: np.ndarray) -> np.ndarray | None:
        found = self.kept.get(tuple(rows))
        self.taken += found is not None
        return found

    def put(self, rows: np.ndarray, logits: np.ndarray) -> None:
        self.kept[tuple(rows)] = logits


def test_a_stopped_pass_goes_on_to_the_very_same_numbers(
    tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ablation, "TOKENS", 60)
    model, data, shelf = tiny(), tiny_data(40), Shelf()
    removals, reported = every_removal(model), []
    whole = ablate(model, data, removals)

    def stop(done: int, total: int, eta: float) -> None:
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ablate(model, data, removals, shelf, stop)
    done = len(shelf.kept)
    assert done > 0
    resumed = ablate(model, data, removals, shelf, lambda *told: reported.append(told))
    assert shelf.taken == done < len(shelf.kept)
    np.testing.assert_array_equal(resumed, whole)
    assert reported[-1][:2] == (40 * len(removals), 40 * len(removals))
    assert reported[-1][2] == 0
    assert reported[0][0] > 0.3 * reported[0][1]  # what was kept counts as done


def test_a_pruned_teacher_is_refused(tiny: Make) -> None:
    model = tiny()
    mask = Mask.full(architectures.shape(model).grid())
    mask.heads[0, 0] = False
    with pytest.raises(Incompatible, match="layers of this model differ"):
        ablate(prune(model, mask), tiny_data(4), [Removal(0, "head", (0,))])
