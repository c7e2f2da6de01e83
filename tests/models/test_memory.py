"""A lack of memory is an error with a hint; other errors pass unchanged."""

import numpy as np
import pytest
import torch

from sparsekd.errors import Unavailable
from sparsekd.models import devices
from sparsekd.models.memory import enough_memory

TOO_MUCH = 2**57


@pytest.mark.parametrize("allocate", [torch.empty, np.empty])
def test_a_failed_allocation_raises_an_error_with_the_hint(allocate):
    with pytest.raises(Unavailable) as caught, enough_memory("Lower batch_size."):
        allocate(TOO_MUCH)
    assert caught.value.hint == "Lower batch_size."


def test_another_runtime_error_stays_what_it_is():
    with pytest.raises(RuntimeError, match="mat1 and mat2"), enough_memory("Lower batch_size."):
        torch.ones(2, 3) @ torch.ones(2, 3)


def test_a_model_that_does_not_fit_on_a_device_says_what_to_do(monkeypatch):
    def full(device):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    model = torch.nn.Linear(2, 2)
    monkeypatch.setattr(model, "to", full)
    with pytest.raises(Unavailable) as caught:
        devices.move(model, "cpu")
    assert "smaller model" in caught.value.hint
