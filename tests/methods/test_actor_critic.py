"""The actor–critic agent alone: it finds the better action, and follows its formulas."""

import math

import pytest
import torch

from sparsekd.methods.actor_critic import ActorCritic, Agent, ReplayBuffer, novelty, threshold

CPU = torch.device("cpu")


def agent(hard=False, caution=0.03, discount=0.5, transitions=0, seed=0):
    """An agent of four weights for two models of width three, with some transitions."""
    torch.manual_seed(seed)
    made = Agent(ActorCritic((3, 3), 4, 16, hard), ReplayBuffer(6, 4, CPU), 1e-3, discount, caution)
    for number in range(transitions):
        action = (torch.rand(4) > 0.5).float() if hard else torch.rand(4)
        made.buffer.add(
            states=torch.randn(6),
            actions=action,
            phases=number % 2,
            gains=float(action[0] - action[1]),
            bonuses=0.0,
            after=torch.randn(6),
            last=float(number % 2),
        )
    return made


def test_the_actor_learns_the_action_of_the_highest_reward():
    soft = agent(transitions=60)
    soft.update(800)
    first, second, third, fourth = soft.act(torch.randn(6)).tolist()
    assert first > 0.75 > 0.25 > second
    assert second < min(third, fourth) and max(third, fourth) < first


def test_a_hard_actor_learns_it_too():
    hard = agent(hard=True, transitions=60)
    hard.update(800)
    first, second, *_ = hard.act(torch.randn(6)).tolist()
    assert (first, second) == (1.0, 0.0)


def test_the_critics_target_is_that_of_the_bellman_equation():
    made = agent(transitions=4, discount=0.5)
    some, rewards = made.buffer.columns, torch.tensor([1.0, -2.0, 0.5, 3.0])
    net, squares = made.networks, []
    with torch.no_grad():
        for place in range(4):
            read, ahead = (
                net.encode(some[name][place : place + 1]) for name in ("states", "after")
            )
            action = torch.sigmoid(net.actor(ahead))
            future = 0.0 if some["last"][place] else net.value(ahead, action).item()
            value = net.value(read, some["actions"][place : place + 1]).item()
            squares.append((rewards[place].item() + 0.5 * future - value) ** 2)
    assert made.critic_loss(some, rewards).item() == pytest.approx(sum(squares) / 4, rel=1e-5)


def test_the_actor_maximises_the_critics_value():
    made = agent(transitions=8, caution=0.0)
    states = made.buffer.columns["states"]
    read = made.networks.encode(states)
    value = made.networks.value(read, torch.sigmoid(made.networks.actor(read))).mean()
    torch.testing.assert_close(made.actor_loss(states), -value)


def test_caution_pulls_the_actor_back_to_a_half():
    bold, cautious = agent(caution=0.0, transitions=60), agent(caution=3.0, transitions=60)
    for each in (bold, cautious):
        each.update(400)
    away = [(each.act(torch.zeros(6)) - 0.5).abs().max().item() for each in (bold, cautious)]
    assert away[1] < 0.15 < 0.25 < away[0]


def test_a_reward_is_the_normalised_gain_above_its_phases_mean_plus_its_bonus():
    buffer = ReplayBuffer(1, 1, CPU)
    for phase, gain, bonus in [(0, 5.0, 0.1), (1, 1.0, 0.0), (0, 7.0, 0.0), (1, -1.0, 0.2)]:
        buffer.add(
            states=torch.zeros(1),
            actions=torch.zeros(1),
            phases=phase,
            gains=gain,
            bonuses=bonus,
            after=torch.zeros(1),
            last=0.0,
        )
    # Means 6 and 0; what is left is -1, 1, 1, -1, of root mean square 1.
    assert buffer.rewards().tolist() == pytest.approx([-0.9, 1.0, 1.0, -0.8])


def test_a_soft_actions_novelty_falls_with_its_similarity_to_earlier_ones():
    earlier = torch.tensor([[1.0, 0.0], [1.0, 1.0]])
    bonus = novelty(torch.tensor([1.0, 0.0]), earlier, hard=False)
    assert bonus == pytest.approx(1 - (1 + 1 / math.sqrt(2)) / 2)
    assert novelty(torch.tensor([0.0, 1.0]), earlier, hard=False) > bonus


def test_a_hard_actions_novelty_falls_with_the_times_it_was_chosen():
    earlier = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert novelty(torch.tensor([1.0, 0.0]), earlier, hard=True) == pytest.approx(0.5)
    assert novelty(torch.tensor([1.0, 1.0]), earlier, hard=True) == pytest.approx(1.0)


def test_the_first_action_is_new():
    assert novelty(torch.ones(2), torch.zeros(0, 2), hard=False) == 1.0


def test_a_hard_action_selects_at_least_one_kind():
    soft = torch.tensor([[0.6, 0.2, 0.9], [0.1, 0.4, 0.3]])
    assert threshold(soft).tolist() == [[1, 0, 1], [0, 1, 0]]


def test_a_hard_actors_gradient_goes_straight_through():
    made = agent(hard=True)
    logits = torch.zeros(1, 4, requires_grad=True)
    made.networks.squash(logits).sum().backward()
    torch.testing.assert_close(logits.grad, torch.full((1, 4), 0.25))


def test_encoders_are_restored_from_their_earlier_name():
    made, other = agent(seed=1), agent(seed=2)
    state = {k.replace("encoders.", "readers."): each for k, each in made.state_dict().items()}
    assert any("readers." in name for name in state)
    other.load_state_dict(state)
    for name, tensor in made.networks.state_dict().items():
        assert torch.equal(tensor, other.networks.state_dict()[name]), name


def test_an_agent_restored_from_its_state_updates_identically():
    straight, other = agent(transitions=12), agent(seed=5)
    straight.update(5)
    other.load_state_dict({name: tensor.clone() for name, tensor in straight.state_dict().items()})
    for each in (straight, other):
        torch.manual_seed(7)
        each.update(5)
    for name, tensor in straight.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name


def test_each_optimiser_updates_its_own_networks():
    made = agent(transitions=12)
    before = {name: each.clone() for name, each in made.networks.named_parameters()}
    made._minimise("actor", made.actor_loss(made.buffer.columns["states"]))
    moved = {
        name.split(".")[0]
        for name, each in made.networks.named_parameters()
        if not torch.equal(each, before[name])
    }
    assert moved == {"actor"}
