"""The selector alone: it finds the better action, and its parts follow their formulas."""

import math

import pytest
import torch

from sparsekd.methods.actor_critic import ActorCritic, Agent, ReplayBuffer, novelty, thresholded

CPU = torch.device("cpu")


def learner(hard=False, caution=0.03, discount=0.5, decisions=0, seed=0):
    """A selector of four actions over two models of three numbers each, with some memories."""
    torch.manual_seed(seed)
    made = Agent(
        ActorCritic((3, 3), 4, 16, hard), ReplayBuffer(6, 4, CPU), 1e-3, discount, caution
    )  # fmt: skip
    for number in range(decisions):
        action = (torch.rand(4) > 0.5).float() if hard else torch.rand(4)
        made.memory.add(
            states=torch.randn(6), actions=action, phases=number % 2,
            gains=float(action[0] - action[1]), bonuses=0.0, after=torch.randn(6),
            last=float(number % 2),
        )  # fmt: skip
    return made


@pytest.mark.parametrize("seed", range(3))
def test_the_actor_finds_what_pays_and_avoids_what_costs(seed):
    soft = learner(decisions=60, seed=seed)
    soft.learn(800)
    first, second, third, fourth = soft.act(torch.randn(6)).tolist()
    assert first > 0.75 > 0.25 > second
    assert second < min(third, fourth) and max(third, fourth) < first


@pytest.mark.parametrize("seed", range(3))
def test_a_hard_actor_finds_it_too(seed):
    hard = learner(hard=True, decisions=60, seed=seed)
    hard.learn(800)
    first, second, *_ = hard.act(torch.randn(6)).tolist()
    assert (first, second) == (1.0, 0.0)


def test_the_critics_target_is_bellmans():
    made = learner(decisions=4, discount=0.5)
    some, rewards = made.memory.of, torch.tensor([1.0, -2.0, 0.5, 3.0])
    net, squares = made.networks, []
    with torch.no_grad():
        for place in range(4):
            read, ahead = (net.read(some[name][place : place + 1]) for name in ("states", "after"))
            action = torch.sigmoid(net.actor(ahead))
            future = 0.0 if some["last"][place] else net.value(ahead, action).item()
            value = net.value(read, some["actions"][place : place + 1]).item()
            squares.append((rewards[place].item() + 0.5 * future - value) ** 2)
    assert made.error(some, rewards).item() == pytest.approx(sum(squares) / 4, rel=1e-5)


def test_the_actor_ascends_the_critics_value():
    made = learner(decisions=8, caution=0.0)
    states = made.memory.of["states"]
    read = made.networks.read(states)
    value = made.networks.value(read, torch.sigmoid(made.networks.actor(read))).mean()
    torch.testing.assert_close(made.regret(states), -value)


def test_caution_pulls_the_actor_back_to_a_half():
    bold, cautious = learner(caution=0.0, decisions=60), learner(caution=3.0, decisions=60)
    for each in (bold, cautious):
        each.learn(400)
    away = [(each.act(torch.zeros(6)) - 0.5).abs().max().item() for each in (bold, cautious)]
    assert away[1] < 0.15 < 0.25 < away[0]


def test_rewards_are_gains_against_their_phases_mean_in_units_plus_bonuses():
    memory = ReplayBuffer(1, 1, CPU)
    for phase, gain, bonus in [(0, 5.0, 0.1), (1, 1.0, 0.0), (0, 7.0, 0.0), (1, -1.0, 0.2)]:
        memory.add(
            states=torch.zeros(1), actions=torch.zeros(1), phases=phase, gains=gain,
            bonuses=bonus, after=torch.zeros(1), last=0.0,
        )  # fmt: skip
    # Means 6 and 0; what is left is -1, 1, 1, -1, of root mean square 1.
    assert memory.rewards().tolist() == pytest.approx([-0.9, 1.0, 1.0, -0.8])


def test_a_soft_action_is_newer_the_less_it_resembles_earlier_ones():
    earlier = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    bonus = novelty(torch.tensor([1.0, 0.0]), earlier, hard=False)
    assert bonus == pytest.approx(1 - (1 + 1 / math.sqrt(2)) / 2)
    assert novelty(torch.tensor([0.0, 1.0]), earlier, hard=False) > bonus


def test_a_hard_action_is_newer_the_less_often_it_was_chosen():
    earlier = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert novelty(torch.tensor([1.0, 0.0]), earlier, hard=True) == pytest.approx(0.5)
    assert novelty(torch.tensor([1.0, 1.0]), earlier, hard=True) == pytest.approx(1.0)


def test_the_first_action_of_all_is_new():
    assert novelty(torch.ones(2), torch.zeros(0, 2), hard=False) == 1.0


def test_a_hard_action_never_chooses_nothing():
    soft = torch.tensor([[0.6, 0.2, 0.9], [0.1, 0.4, 0.3]])
    assert thresholded(soft).tolist() == [[1, 0, 1], [0, 1, 0]]


def test_a_hard_actors_gradient_goes_straight_through():
    made = learner(hard=True)
    leaning = torch.zeros(1, 4, requires_grad=True)
    made.networks.action(leaning).sum().backward()
    torch.testing.assert_close(leaning.grad, torch.full((1, 4), 0.25))


def test_what_is_restored_learns_on_as_if_nothing_had_happened():
    straight, other = learner(decisions=12), learner(seed=5)
    straight.learn(5)
    other.load_state_dict({name: tensor.clone() for name, tensor in straight.state_dict().items()})
    for each in (straight, other):
        torch.manual_seed(7)
        each.learn(5)
    for name, tensor in straight.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_each_optimiser_moves_its_own_networks():
    made = learner(decisions=12)
    before = {name: each.clone() for name, each in made.networks.named_parameters()}
    made._descend("actor", made.regret(made.memory.of["states"]))
    moved = {
        name.split(".")[0]
        for name, each in made.networks.named_parameters()
        if not torch.equal(each, before[name])
    }
    assert moved == {"actor"}
