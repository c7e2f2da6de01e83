"""Parameters as fields of a form."""

import pytest

from sparsekd.catalog.fields import bounds, numbers, step_size, validated
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.errors import BadInput


def test_a_value_out_of_range_says_which_and_why() -> None:
    with pytest.raises(BadInput, match="learning_rate = 0"):
        validated(TrainParams, {"learning_rate": 0.0})


def test_an_empty_box_is_named_unless_the_parameter_may_be_empty() -> None:
    with pytest.raises(BadInput, match="Epochs is empty"):
        validated(TrainParams, {"epochs": None})
    assert validated(MaskParams, {"neuron_sparsity": None}).neuron_sparsity is None


def test_bounds_are_those_of_the_parameter() -> None:
    assert bounds(TrainParams.model_fields["epochs"]) == (0, 1000)
    assert bounds(TrainParams.model_fields["train_examples"]) == (0, None)


@pytest.mark.parametrize(
    ("value", "low", "high", "step"),
    [(3e-5, 0, 1, 1e-5), (0.5, 0, 1, 0.05), (2.0, 1, 20, 0.5), (20.0, 0, None, 1.0)],
)
def test_a_step_suits_the_size_of_the_value(
    value: float, low: float, high: float | None, step: float
) -> None:
    assert step_size(value, low, high) == pytest.approx(step)


def test_a_list_of_numbers_is_read_or_refused() -> None:
    assert numbers("Sparsities", "0.1, 0.2,") == (0.1, 0.2)
    with pytest.raises(BadInput, match="not a list of numbers"):
        numbers("Sparsities", "0.1; 0.2")
