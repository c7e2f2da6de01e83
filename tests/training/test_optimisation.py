"""The optimiser's groups, its schedule, and its moments."""

import pytest
import torch

from sparsekd.catalog.parameters import TrainParams
from sparsekd.training.optimisation import adamw, learning_rate_at, moments, set_moments, weights_of


def test_biases_and_layer_norms_do_not_decay(tiny, architecture):
    model = tiny(architecture)
    decays = {
        id(weight): group["weight_decay"]
        for group in adamw([model], TrainParams(weight_decay=0.25)).param_groups
        for weight in group["params"]
    }
    for name, weight in model.named_parameters():
        spared = name.endswith("bias") or "norm" in name.lower()
        assert decays[id(weight)] == (0.0 if spared else 0.25), name


def test_the_learning_rate_rises_to_the_peak_and_falls_towards_zero():
    params = TrainParams(learning_rate=1.0, warmup=0.2)
    rates = [learning_rate_at(step, 10, params) for step in range(10)]
    assert rates == [0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]


@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_no_step_has_a_learning_rate_of_zero(warmup):
    params = TrainParams(learning_rate=1.0, warmup=warmup)
    assert all(0 < learning_rate_at(step, 7, params) <= 1 for step in range(7))


def test_moments_given_back_continue_the_same_descent():
    def descend(optimiser, weight, steps):
        for _ in range(steps):
            optimiser.zero_grad()
            (weight.pow(2).sum() + weight.prod()).backward()
            optimiser.step()

    straight = torch.nn.Linear(2, 2, bias=False)
    broken = torch.nn.Linear(2, 2, bias=False)
    broken.load_state_dict(straight.state_dict())
    params = TrainParams(learning_rate=0.1)
    whole, first, second = (adamw([each], params) for each in (straight, broken, broken))
    descend(whole, straight.weight, 7)
    descend(first, broken.weight, 3)
    set_moments(second, {name: each.clone() for name, each in moments(first).items()})
    descend(second, broken.weight, 4)
    assert torch.equal(straight.weight, broken.weight)


def test_weights_without_elements_or_without_gradients_are_left_out():
    module = torch.nn.ModuleList([torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)])
    module[0].weight.requires_grad_(False)
    module[1].weight = torch.nn.Parameter(torch.zeros(2, 0))
    assert len(weights_of(adamw([module], TrainParams()))) == 2
