"""Reinforced teacher selection: its formulas by hand, its schedule, and that the policy learns."""

import math
from copy import deepcopy

import numpy as np
import pandas as pd
import pytest
import torch

from sparsekd.catalog.methods.teacher_selection import TeacherSelectionParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.errors import Cancelled, Incompatible
from sparsekd.knowledge import Knowledge
from sparsekd.methods import BatchOutputs, Setup, StepResult, TrainingProgress
from sparsekd.methods.teacher_rewards import look_ahead, reward
from sparsekd.methods.teacher_selection import TeacherSelection
from sparsekd.training import Callbacks, TrainingJob, train
from tests.tiny_data import tiny_card, tiny_data

START, LATE = TrainingProgress(0, 100, 0), TrainingProgress(60, 100, 0)
STUDENT = [[0.2, -0.4], [1.5, 0.3], [0.0, 0.0]]
TEACHERS = [[[1.0, 0.0], [-2.0, 2.0], [3.0, 0.5]], [[0.0, 1.0], [0.5, 0.5], [-1.0, 2.0]]]
LABELS = [0, 1, 1]
WIDTH = 24


def softmax(logits, temperature=1.0):
    powers = [math.exp(each / temperature) for each in logits]
    return [power / sum(powers) for power in powers]


def cross_entropy(logits, label):
    return -math.log(softmax(logits)[label])


def divergence(student, teacher, temperature=2.0):
    p, q = softmax(teacher, temperature), softmax(student, temperature)
    return temperature**2 * sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def prepared(tiny, card=None, steps=100, teachers=2, seed=0, **params):
    method = TeacherSelection(TeacherSelectionParams(**params))
    torch.manual_seed(seed)
    card = card or tiny_card()
    student = tiny(labels=card.classes)
    method.prepare(Setup(student, card, teachers, steps=steps, rows=3, selection_rows=64))
    method.on_train_start(0)
    return method


def batch_outputs(student=STUDENT, teachers=TEACHERS, labels=LABELS, rows=(0, 1, 2), cls=None):
    rows, labels = np.asarray(rows), torch.tensor(labels)
    cls = torch.zeros(len(rows), WIDTH) if cls is None else cls
    views = tuple(Knowledge(torch.tensor(each)) for each in teachers)
    own = Knowledge(torch.tensor(student), cls={2: cls})
    return BatchOutputs(own, views, labels, torch.ones(len(rows), 3, dtype=torch.int64), rows)


def values(terms):
    return {name: term.tolist() for name, term in terms.items()}


def sure(method, *odds):
    """Set a policy that ignores its state."""
    method.selector.policy.weight.data.zero_()
    method.selector.policy.bias.data.copy_(torch.tensor(odds))


def test_before_the_policy_all_teachers_have_equal_weights(tiny):
    method = prepared(tiny)
    sure(method, -50.0, 50.0)
    terms = values(method.loss(batch_outputs(), START))
    for row in range(3):
        distances = [divergence(STUDENT[row], teacher[row]) for teacher in TEACHERS]
        assert terms["soft"][row] == pytest.approx(0.5 * sum(distances) / 2, rel=1e-5)
        hard = 0.5 * cross_entropy(STUDENT[row], LABELS[row])
        assert terms["hard"][row] == pytest.approx(hard, rel=1e-5)


def test_afterwards_only_the_selected_teachers_have_weight(tiny):
    method = prepared(tiny, alpha=0.25)
    sure(method, -50.0, 50.0)
    terms = values(method.loss(batch_outputs(), LATE))
    soft = [0.75 * divergence(STUDENT[row], TEACHERS[1][row]) for row in range(3)]
    assert terms["soft"] == pytest.approx(soft, rel=1e-5)


def test_with_no_teacher_selected_the_likeliest_has_all_the_weight(tiny):
    method = prepared(tiny)
    sure(method, -40.0, -50.0)
    terms = values(method.loss(batch_outputs(), LATE))
    soft = [0.5 * divergence(STUDENT[row], TEACHERS[0][row]) for row in range(3)]
    assert terms["soft"] == pytest.approx(soft, rel=1e-5)


def test_teachers_that_agree_with_the_student_leave_half_the_task_loss(tiny):
    terms = values(prepared(tiny).loss(batch_outputs(teachers=[STUDENT, STUDENT]), LATE))
    assert terms["soft"] == pytest.approx([0.0] * 3, abs=1e-7)
    hard = [0.5 * cross_entropy(*pair) for pair in zip(STUDENT, LABELS, strict=True)]
    assert terms["hard"] == pytest.approx(hard, rel=1e-5)


def test_a_regression_has_squared_errors(tiny):
    method = prepared(tiny, tiny_card(1))
    view = batch_outputs([[2.0]], [[[1.0]], [[4.0]]], [5.0], rows=(0,))
    assert values(method.loss(view, START)) == {"soft": [0.5 * (1 + 4) / 2], "hard": [4.5]}
    sure(method, 50.0, -50.0)
    assert values(method.loss(view, LATE)) == {"soft": [0.5], "hard": [4.5]}


@pytest.mark.parametrize(("alpha", "kept"), [(0, {"soft"}), (1, {"hard"})])
def test_a_weight_of_zero_drops_its_term(tiny, alpha, kept):
    assert prepared(tiny, alpha=alpha).loss(batch_outputs(), LATE).keys() == kept


def test_the_state_is_the_students_cls_the_teachers_probabilities_and_its_loss(tiny):
    cls = torch.arange(3 * WIDTH, dtype=torch.float32).view(3, WIDTH)
    states = prepared(tiny).instances(batch_outputs(cls=cls)).states
    assert states.shape == (3, 2, WIDTH + 2 + 1)
    for row in range(3):
        for teacher in range(2):
            logits = TEACHERS[teacher][row]
            wanted = [*(cls[row] / math.sqrt(WIDTH)).tolist(), *softmax(logits)]
            wanted.append(cross_entropy(logits, LABELS[row]))
            assert states[row, teacher].tolist() == pytest.approx(wanted, rel=1e-5)


def test_an_instances_draw_depends_on_its_step_and_not_on_its_batch(tiny):
    method = prepared(tiny)
    whole = method.select(method.instances(batch_outputs()), 60)[0]
    turned = batch_outputs(
        STUDENT[::-1], [each[::-1] for each in TEACHERS], LABELS[::-1], (2, 1, 0)
    )
    assert torch.equal(whole, method.select(method.instances(turned), 60)[0].flip(0))
    found = method.instances(batch_outputs())
    drawn = torch.stack([method.select(found, step)[0] for step in range(20, 100)])
    assert 0.35 < drawn.mean() < 0.65
    assert (drawn != drawn[0]).any()


def test_another_seed_gives_other_actions(tiny):
    found = [prepared(tiny, seed=seed, steps=1000) for seed in (0, 1)]
    view = found[0].instances(batch_outputs())
    first, second = (
        torch.stack([method.select(view, step)[0] for step in range(500, 540)]) for method in found
    )
    assert not torch.equal(first, second)


def test_random_is_one_teacher_per_batch_and_each_occurs(tiny):
    method = prepared(tiny, choose="random", teachers=2)
    view, occurred = method.instances(batch_outputs()), set()
    for step in range(30):
        actions, weights = method.select(view, step)
        assert torch.equal(actions, weights)
        assert (actions == actions[0]).all()
        assert actions[0].sum() == 1
        occurred.add(int(actions[0].argmax()))
    assert occurred == {0, 1}


def test_the_oracle_is_the_teacher_with_the_smallest_loss_on_the_gold_label(tiny):
    method = prepared(tiny, choose="oracle")
    actions, _ = method.select(method.instances(batch_outputs()), 0)
    best = [
        min((0, 1), key=lambda teacher: cross_entropy(TEACHERS[teacher][row], LABELS[row]))
        for row in range(3)
    ]
    assert actions.argmax(1).tolist() == best
    assert len(set(best)) == 2


def test_the_ensemble_is_the_same_at_every_step(tiny):
    method = prepared(tiny, choose="all")
    assert values(method.loss(batch_outputs(), START)) == values(method.loss(batch_outputs(), LATE))
    assert method.student_needs == {}


# --- schedule and learning -------------------------------------------------------------------


def result(method, view, step, evaluate=None):
    progress = TrainingProgress(step, 100, 0)
    return StepResult(view, {}, progress, evaluate or _unexpected, lambda rows: picked(view, rows))


def _unexpected():
    raise AssertionError("the selection split was evaluated")


def picked(view, rows):
    """Return some rows of a batch's outputs."""
    place = torch.from_numpy(np.asarray(rows))
    own = Knowledge(view.student.logits[place], cls={2: view.student.cls[2][place]})
    teachers = tuple(Knowledge(each.logits[place]) for each in view.teachers)
    return BatchOutputs(own, teachers, view.labels[place], view.mask[place], np.asarray(rows))


def test_the_policy_is_updated_at_the_end_of_the_pre_training_and_then_at_every_step(tiny):
    method, moved = prepared(tiny, pretrain=0.1, reward="r1"), []
    for step in range(13):
        before = method.selector.policy.bias.detach().clone()
        method.on_step_end(result(method, batch_outputs(), step))
        moved.append(not torch.equal(before, method.selector.policy.bias.detach()))
    assert moved == [False] * 9 + [True] * 4
    assert [method.ready(TrainingProgress(step, 100, 0)) for step in (5, 10, 11)] == [
        False,
        True,
        True,
    ]


def test_a_reward_follows_one_gradient_step_on_the_students_logits(tiny):
    method = prepared(tiny, reward="r1", look_ahead=0.3, alpha=0.4)
    found = method.instances(batch_outputs())
    weights = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0]])
    moved = look_ahead(found, weights, method.params)
    for row in range(3):
        own, soft = softmax(STUDENT[row]), softmax(STUDENT[row], 2)
        wanted = []
        for c in range(2):
            gold = float(c == LABELS[row])
            target = sum(
                share * softmax(teacher[row], 2)[c]
                for share, teacher in zip(weights[row].tolist(), TEACHERS, strict=True)
            )
            slope = 0.4 * (own[c] - gold) + 0.6 * 2 * (soft[c] - target)
            wanted.append(STUDENT[row][c] - 0.3 * slope)
        assert moved[row].tolist() == pytest.approx(wanted, rel=1e-5)
    first = [-cross_entropy(STUDENT[row], LABELS[row]) for row in range(3)]
    assert reward(found.student, found, weights, method.params).tolist() == pytest.approx(first)
    second = TeacherSelectionParams(reward="r2")
    both = [
        first[row]
        - sum(
            share * divergence(STUDENT[row], teacher[row])
            for share, teacher in zip(weights[row].tolist(), TEACHERS, strict=True)
        )
        for row in range(3)
    ]
    assert reward(found.student, found, weights, second).tolist() == pytest.approx(both, rel=1e-5)


def test_the_baseline_is_the_reward_without_the_step_plus_the_average_gain(tiny):
    method = prepared(tiny, reward="r1", baseline_decay=0.5)
    found = method.instances(batch_outputs())
    one = torch.tensor([[1.0, 0.0]] * 3)
    before = sum(-cross_entropy(STUDENT[row], LABELS[row]) for row in range(3)) / 3
    first, base = method.selector.reinforce(found, one, one)
    assert base.item() == pytest.approx(before, rel=1e-5)
    second, base = method.selector.reinforce(found, one, one)
    assert second.item() == first.item()
    assert base.item() == pytest.approx(first.item(), rel=1e-5)


@pytest.mark.parametrize(("credit", "passes"), [("instance", 20), ("batch", 400)])
def test_the_policy_learns_to_select_the_teacher_that_helps(tiny, credit, passes):
    """Teacher 1 predicts the labels, teacher 2 their opposite."""
    drawn = np.random.default_rng(0)
    labels = drawn.integers(0, 2, 64)
    right = np.where(np.eye(2)[labels] > 0, 2.0, -2.0).tolist()
    wrong = (-np.asarray(right)).tolist()
    student = drawn.normal(size=(64, 2)).astype(np.float32).tolist()
    view = batch_outputs(
        student, [right, wrong], labels.tolist(), range(64), torch.zeros(64, WIDTH)
    )
    method = prepared(tiny, reward="r1", pretrain=0.1, credit=credit, selector_passes=passes)
    method.rows = 64
    method.on_step_end(result(method, view, 9))
    table = pd.DataFrame(method.inspect_examples(view))
    chosen = table.groupby("teacher")["chosen"].mean()
    assert chosen[1] >= 0.9
    assert chosen[2] <= 0.1


def test_the_fixed_weights_have_the_maximum_likelihood_on_a_fine_grid(tiny):
    method = prepared(tiny, choose="weights", pretrain=0.1)
    method.rows = 40
    drawn = np.random.default_rng(1)
    logits = drawn.normal(size=(2, 40, 2)).astype(np.float32)
    labels = drawn.integers(0, 2, 40)
    logits[0, np.arange(40), labels] += 0.7
    view = batch_outputs(logits[0].tolist(), logits.tolist(), labels.tolist(), range(40))
    method.on_step_end(result(method, view, 9))
    p = [[softmax(logits[k, i])[labels[i]] for i in range(40)] for k in range(2)]

    def likelihood(w):
        return sum(math.log(w * a + (1 - w) * b) for a, b in zip(*p, strict=True))

    best = max((w / 1000 for w in range(1001)), key=likelihood)
    assert 0.5 < best < 1
    assert method.weights.tolist() == pytest.approx([best, 1 - best], abs=2e-3)
    _, weights = method.select(method.instances(view), 50)
    assert torch.equal(weights, method.weights.expand(40, -1))


def test_accuracy_is_evaluated_at_intervals_and_updates_the_policy(tiny):
    method = prepared(tiny, reward="r3", gamma=0.0, pretrain=0.1, reward_every=5)
    readings = iter([0.5, 0.9])
    biases = []
    for step in range(10, 20):
        found = result(method, batch_outputs(), step, lambda: {"accuracy": next(readings)})
        method.on_step_end(found)
        biases.append(method.selector.policy.bias.detach().clone())
    assert next(readings, None) is None
    assert all(torch.equal(bias, torch.zeros(2)) for bias in biases[:9])
    assert not torch.equal(biases[9], torch.zeros(2))


# --- whole trainings -------------------------------------------------------------------------

CARD, DATA, SELECTION = tiny_card(), tiny_data(128, seed=1), tiny_data(64, seed=2)
TRAINING = TrainParams(epochs=6, batch_size=16, learning_rate=2e-3)


def memorised(labels, seed):
    """Return the logits of a teacher that has memorised these labels."""
    noise = np.random.default_rng([seed, 7]).normal(size=(len(labels), 2))
    return (4 * np.eye(2)[labels] + noise).astype(np.float32)


def learn(tiny, teachers, seed=0, training=TRAINING, more=None, **params):
    method = TeacherSelection(TeacherSelectionParams(**params))
    student = tiny(layers=1, seed=seed)
    job = TrainingJob(
        student,
        method,
        DATA,
        SELECTION,
        CARD,
        training,
        seed=seed,
        teacher_logits=teachers,
        **(more or {}),
    )
    return student, train(job)


@pytest.mark.parametrize("place", [1, 2])
def test_a_good_teacher_is_selected_and_one_of_shuffled_labels_is_not(tiny, place):
    shuffled = np.random.default_rng(3).permutation(DATA.labels)
    teachers = [memorised(DATA.labels, 1), memorised(shuffled, 2)]
    _, end = learn(tiny, teachers if place == 1 else teachers[::-1], seed=place, reward="r1")
    agreed = end.method_facts["choice_agreement"]
    assert agreed["oracle"] > 0.65
    assert agreed["chance"] == 0.5
    table = pd.DataFrame(end.inspected)
    after = table[table["when"] == "after"].groupby("teacher")["chosen"].mean()
    assert after[place] >= 0.9
    assert after[3 - place] <= 0.5


def test_rewards_from_the_selection_split_cost_the_stated_number_of_passes(tiny):
    teachers = [memorised(DATA.labels, seed) for seed in (1, 2)]
    training = TRAINING.changed({"epochs": 2})
    costs = [
        learn(tiny, teachers, training=training, reward=reward, reward_every=5, rewards=4)[1]
        for reward in ("r1", "r3", "held_out")
    ]
    assert [end.held_out_passes for end in costs] == [0, (16 - 3) // 5, 4 + 1]
    assert TeacherSelectionParams(rewards=4).reward_passes == 4 + 1
    assert TeacherSelectionParams(reward="r1").reward_passes == 0


def test_a_held_out_reward_is_the_decrease_of_the_loss_by_the_updates_in_between(tiny):
    method = prepared(tiny, pretrain=0.1, rewards=3)  # after steps 9, 39, 69 and 99
    losses = iter([0.9, 0.7, 0.6, 0.55])
    for step in range(100):
        method.on_step_end(result(method, batch_outputs(), step, lambda: {"loss": next(losses)}))
    assert next(losses, None) is None
    logged = [(s, v) for s, name, v in method.logged if name == "reward/held_out"]
    assert [step for step, _ in logged] == [39, 69, 99]
    assert [value for _, value in logged] == pytest.approx([0.2, 0.1, 0.05])


def test_a_run_of_before_keeps_its_id_and_its_meaning():
    """Its parameters are written as they were: the new ones are left out where it has them not."""
    old = {
        "choose": "policy",
        "reward": "r1",
        "alpha": 0.5,
        "temperature": 2.0,
        "pretrain": 0.2,
        "look_ahead": 0.5,
        "credit": "instance",
        "gamma": 0.5,
        "reward_every": 50,
        "selector_examples": 2000,
        "selector_passes": 20,
        "selector_rate": 0.02,
        "baseline_decay": 0.95,
    }
    assert TeacherSelectionParams.of(old).values() == old
    assert TeacherSelectionParams(reward="r1").values() == old


def test_fixed_weights_are_learned_from_the_selection_split(tiny):
    """Teacher 1 is right on the training examples alone, teacher 2 on the selection split alone."""
    right, wrong = memorised(DATA.labels, 1), memorised(1 - DATA.labels, 2)
    unseen = [memorised(1 - SELECTION.labels, 3), memorised(SELECTION.labels, 4)]
    method = TeacherSelection(TeacherSelectionParams(choose="held_out_weights"))
    data, training = DATA.select(np.arange(32)), TRAINING.changed({"epochs": 1})
    teachers = [each[:32] for each in (right, wrong)]
    job = TrainingJob(
        tiny(layers=1),
        method,
        data,
        SELECTION,
        CARD,
        training,
        teacher_logits=teachers,
        held_out_logits=unseen,
    )
    end = train(job)
    assert method.weights[1] > 0.9
    assert end.method_facts["choice_agreement"]["oracle"] < 0.1


@pytest.mark.parametrize(
    "params",
    [
        {"reward": "r3", "reward_every": 6, "credit": "batch"},
        {"rewards": 7},
        {"choose": "weights"},
        {"choose": "random"},
        {"reward": "r2"},
    ],
)
def test_an_interruption_changes_nothing(tiny, params):
    teachers = [memorised(DATA.labels, 1), memorised(1 - DATA.labels, 2)]
    training = TRAINING.changed({"epochs": 2})
    whole, straight = learn(tiny, teachers, training=training, **params)
    kept, stop = [], iter([*[False] * 13, True])
    callbacks = Callbacks(
        should_stop=lambda: next(stop),
        save_checkpoint=lambda checkpoint: kept.append(deepcopy(checkpoint)),
    )
    with pytest.raises(Cancelled):
        learn(tiny, teachers, training=training, more={"callbacks": callbacks}, **params)
    resumed = {"checkpoint": kept[-1]}
    broken, pieces = learn(tiny, teachers, training=training, more=resumed, **params)
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, broken.state_dict()[name]), name
    table = pd.DataFrame(straight.inspected), pd.DataFrame(pieces.inspected)
    assert straight.method_facts == pieces.method_facts
    # The rows of before the first step were written before the interruption.
    assert not len(table[0]) or table[0].query("when == 'after'").equals(
        table[1].query("when == 'after'")
    )


def test_each_example_is_inspected_with_its_teachers_probabilities_and_losses(tiny):
    rows = prepared(tiny).inspect_examples(batch_outputs())
    assert [(row["row"], row["teacher"]) for row in rows] == [
        (row, teacher) for row in range(3) for teacher in (1, 2)
    ]
    assert rows[1]["teacher_loss"] == pytest.approx(cross_entropy(TEACHERS[1][0], 0), rel=1e-5)
    assert rows[2]["student_loss"] == pytest.approx(cross_entropy(STUDENT[1], 1), rel=1e-5)
    assert all(row["probability"] == 0.5 and row["chosen"] for row in rows)
    assert [row["label"] for row in rows] == [0.0, 0.0, 1.0, 1.0, 1.0, 1.0]


def test_a_single_teacher_is_an_error(tiny):
    with pytest.raises(Incompatible, match="two or more, not 1"):
        prepared(tiny, teachers=1)


def test_a_selection_split_smaller_than_a_batch_is_an_error_for_the_third_reward(tiny):
    method = TeacherSelection(TeacherSelectionParams(reward="r3"))
    with pytest.raises(Incompatible, match="has 7 examples, a batch 8"):
        method.prepare(Setup(tiny(), tiny_card(), 2, steps=100, selection_rows=7, batch_size=8))


def test_accuracy_that_would_never_be_evaluated_is_an_error(tiny):
    with pytest.raises(Incompatible, match="8 steps follow the pre-training"):
        prepared(tiny, steps=10, reward="r3", reward_every=9)
