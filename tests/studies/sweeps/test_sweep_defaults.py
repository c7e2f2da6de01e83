"""Fields of the form of a trade-off study."""

import pytest

from sparsekd.errors import BadInput
from sparsekd.studies.sweeps import sweep_defaults


def test_grid_values_rise_and_are_distinct() -> None:
    assert sweep_defaults.grid_values("λ", ["0.5", "0,25", "0.50"]) == (0.25, 0.5)


def test_a_value_that_is_not_a_number_is_refused() -> None:
    with pytest.raises(BadInput, match="'half' is not a number"):
        sweep_defaults.grid_values("λ", ["half"])


def test_more_seeds_keep_those_that_are_there() -> None:
    assert sweep_defaults.extended_seeds((3, 5), 4) == (3, 5, 0, 1)
    assert sweep_defaults.extended_seeds((3, 5), 1) == (3,)
