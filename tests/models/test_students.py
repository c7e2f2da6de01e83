"""First students: their initial weights, and errors."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.errors import BadInput, Incompatible
from sparsekd.models import architectures
from sparsekd.models.students import chosen_layers, initial, untrained
from tests.conftest import tiny_inputs, tiny_model


def weights(module: Any) -> list[torch.Tensor]:
    return list(module.state_dict().values())


def same(one: Any, other: Any) -> bool:
    return all(map(torch.equal, weights(one), weights(other)))


@pytest.mark.parametrize(
    ("choice", "layers", "expected"),
    [
        ("bottom", 2, [0, 1]),
        ("pretrained", 2, [0, 1]),
        ("top", 2, [3, 4]),
        ("every", 2, [1, 4]),
        ("every", 3, [0, 2, 4]),
        ("every", 5, [0, 1, 2, 3, 4]),
    ],
)
def test_a_student_has_the_teachers_own_layers(
    architecture: str, choice: str, layers: int, expected: list[int]
) -> None:
    teacher = tiny_model(architecture, layers=5)
    student = initial(teacher, StudentParams(choice=choice, layers=layers), seed=0)
    assert len(architectures.blocks(student)) == student.config.num_hidden_layers == layers
    for block, number in zip(architectures.blocks(student), expected, strict=True):
        assert same(block, architectures.blocks(teacher)[number])
    outside = {n: w for n, w in teacher.state_dict().items() if ".layer." not in n}
    assert all(torch.equal(student.state_dict()[name], w) for name, w in outside.items())
    assert student(**tiny_inputs(teacher)).logits.shape == (3, 2)


def test_training_a_student_leaves_the_teacher_alone() -> None:
    teacher = tiny_model()
    student = initial(teacher, StudentParams(layers=1), seed=0)
    assert {id(w) for w in student.parameters()}.isdisjoint(map(id, teacher.parameters()))
    assert len(architectures.blocks(teacher)) == teacher.config.num_hidden_layers == 2


@given(depth=st.integers(1, 48), data=st.data())
def test_every_mth_layer_is_even_and_ends_at_the_top(depth: int, data: st.DataObject) -> None:
    layers = data.draw(st.integers(1, depth))
    chosen = chosen_layers("every", layers, depth)
    gaps = np.diff([-1, *chosen])
    assert len(chosen) == layers
    assert chosen[-1] == depth - 1
    assert gaps.min() >= 1
    assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("choice", ["bottom", "every", "top"])
def test_a_student_deeper_than_its_teacher_is_refused(choice: str) -> None:
    with pytest.raises(Incompatible, match="3 layers, the teacher 2") as caught:
        initial(tiny_model(), StudentParams(choice=choice, layers=3), seed=0)
    assert "at most 2" in caught.value.hint


def test_a_pruned_student_is_what_the_mask_keeps() -> None:
    mask = SimpleNamespace(heads=np.eye(2, 3, dtype=bool), neurons=np.eye(2, 20, dtype=bool))
    student = initial(tiny_model(), StudentParams(choice="pruned"), seed=0, mask=mask)
    assert architectures.shape(student).heads == (1, 1)
    with pytest.raises(BadInput, match="expressiveness"):
        initial(tiny_model(), StudentParams(choice="pruned"), seed=0)


def test_a_random_student_is_decided_by_its_seed(architecture: str) -> None:
    teacher = tiny_model(architecture, labels=3)
    params = StudentParams(choice="random", layers=4)
    first, again, other = (initial(teacher, params, seed) for seed in (1, 1, 2))
    assert same(first, again)
    assert not same(first, other)
    assert architectures.shape(first).grid() == (4, 3, 20)
    assert first(**tiny_inputs(first)).logits.shape == (3, 3)
    assert not first.training


def test_an_untrained_model_is_decided_by_its_seed_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again = (
        untrained("bert", 2, 24, 3, 20, 40, ("no", "yes"), "classes", seed=7) for _ in range(2)
    )
    assert torch.equal(torch.rand(1), expected)
    assert same(first, again)
    assert first.config.id2label == {0: "no", 1: "yes"}
    assert not first.training
    scalar = untrained("bert", 1, 24, 3, 20, 40, (), "number", seed=7)
    assert scalar(**tiny_inputs(scalar)).logits.shape == (3, 1)
    with pytest.raises(BadInput, match="5 heads"):
        untrained("bert", 1, 24, 5, 20, 40, (), "number", seed=7)
