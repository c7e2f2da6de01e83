"""Knowledge selection: its four losses, their weights, and the cost of its rewards."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.methods.knowledge_selection import KnowledgeSelectionParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.errors import BadInput, Cancelled, Incompatible
from sparsekd.knowledge import observe
from sparsekd.knowledge.evaluation import predict
from sparsekd.knowledge.losses import kl, task_loss
from sparsekd.knowledge.relations import flow
from sparsekd.methods import BatchOutputs, Setup, StepResult, TrainingProgress
from sparsekd.methods.knowledge_kinds import KINDS
from sparsekd.methods.knowledge_selection import MIN_WEIGHT, KnowledgeSelection, state_of
from sparsekd.models.pruning import prune
from sparsekd.training import Callbacks, TrainingJob, train
from sparsekd.training.checkpoint import Checkpoint
from sparsekd.units.masking import Mask
from tests.tiny_data import tiny_card, tiny_data

CARD, DATA, SELECTION = tiny_card(), tiny_data(24, seed=1), tiny_data(20, seed=2)
TRAINING = TrainParams(epochs=2, batch_size=4, learning_rate=1e-3)  # 12 steps
START = TrainingProgress(0, 12, 0)


def method(student, teacher, classes=2, **values):
    made = KnowledgeSelection(KnowledgeSelectionParams.of(values))
    made.prepare(
        Setup(
            student,
            tiny_card(classes),
            1,
            (teacher,),
            steps=12,
            rows=24,
            selection_rows=20,
            batch_size=4,
        )
    )
    return made


def view(made, student, teacher, classes=2):
    batch = tiny_data(5, classes).batch(range(5))
    student_outputs = observe(student, batch, made.student_needs)
    with torch.no_grad():
        teacher_outputs = observe(teacher, batch, made.teacher_needs)
    return BatchOutputs(
        student_outputs, (teacher_outputs,), batch.labels, batch.attention_mask, batch.rows
    )


def result(outputs, terms, progress=START):
    def unexpected(*_):
        raise AssertionError("a reward pass outside the phases' ends")

    return StepResult(outputs, terms, progress, unexpected, unexpected)


def learn(tiny, values, teacher_options=None, checkpoint=None, **callbacks):
    """Train briefly; return the student, the method, the result and the logged values."""
    teacher = tiny(layers=4, seed=2, **(teacher_options or {}))
    student, made = tiny(layers=2, seed=1), KnowledgeSelection(KnowledgeSelectionParams.of(values))
    logged = []
    job = TrainingJob(
        student,
        made,
        DATA,
        SELECTION,
        CARD,
        TRAINING,
        teacher_logits=[predict(teacher, DATA)],
        teachers=[teacher],
        checkpoint=checkpoint,
        callbacks=Callbacks(
            on_event=lambda event: logged.extend(getattr(event, "logged", [])), **callbacks
        ),
    )
    return student, made, train(job), logged


# --- the four losses ---------------------------------------------------------------------------


def test_each_kinds_loss_is_that_of_its_formula(tiny):
    student, teacher = tiny(layers=2, seed=1), tiny(layers=4, seed=2)
    made = method(student, teacher)
    outputs = view(made, student, teacher)
    raw, teacher_outputs = made.knowledge.losses(outputs), outputs.teachers[0]
    torch.testing.assert_close(
        raw["fine_tuning"], task_loss(outputs.student.logits, outputs.labels)
    )
    torch.testing.assert_close(
        raw["response"], kl(outputs.student.logits, teacher_outputs.logits, 2.0)
    )
    for example in range(5):
        real = outputs.mask[example].bool()
        pairs = [
            (
                outputs.student.hidden[mine][example, real],
                teacher_outputs.hidden[theirs][example, real],
            )
            for mine, theirs in ((1, 2), (2, 4))
        ]
        apart = sum((one - other).square().mean() for one, other in pairs) / 2
        torch.testing.assert_close(raw["feature"][example], apart)
        (low, low_taught), (high, high_taught) = pairs
        gap = (low.T @ high - low_taught.T @ high_taught) / real.sum()
        torch.testing.assert_close(raw["relation"][example], gap.square().mean())


def test_a_student_equal_to_its_teacher_has_only_the_loss_on_the_labels(tiny):
    model = tiny(layers=2, seed=1)
    made = method(model, model)
    outputs = view(made, model, model)
    raw = made.knowledge.losses(outputs)
    assert raw["fine_tuning"].min() > 0
    for kind in ("response", "feature", "relation"):
        torch.testing.assert_close(raw[kind], torch.zeros(5), rtol=0, atol=1e-6)


def test_a_regression_has_squared_errors(tiny):
    student, teacher = tiny(labels=1, layers=2, seed=1), tiny(labels=1, layers=4, seed=2)
    made = method(student, teacher, classes=1)
    outputs = view(made, student, teacher, classes=1)
    raw, teacher_outputs = made.knowledge.losses(outputs), outputs.teachers[0].logits[:, 0]
    mine = outputs.student.logits[:, 0]
    torch.testing.assert_close(raw["fine_tuning"], (mine - outputs.labels) ** 2)
    torch.testing.assert_close(raw["response"], (mine - teacher_outputs) ** 2)


def test_the_embedding_output_may_be_related_to_layer_1(tiny):
    student, teacher = tiny(layers=1, seed=1), tiny(layers=2, seed=2)
    made = method(student, teacher, embeddings=True)
    outputs = view(made, student, teacher)
    mine = flow(outputs.student.hidden[0], outputs.student.hidden[1], outputs.mask)
    theirs = flow(outputs.teachers[0].hidden[0], outputs.teachers[0].hidden[2], outputs.mask)
    raw = made.knowledge.losses(outputs)
    torch.testing.assert_close(raw["relation"], (mine - theirs).square().mean((1, 2)))
    assert made.knowledge.layers == {0: 0, 1: 2}


def test_where_widths_differ_a_linear_map_is_trained_with_the_student(tiny):
    student, teacher = tiny(layers=2, hidden=12, seed=1), tiny(layers=4, seed=2)
    made = method(student, teacher)
    terms = made.loss(view(made, student, teacher), START)
    terms["relation"].sum().backward()
    maps = made.modules()["maps"]
    assert [each.weight.shape for each in maps.values()] == [(24, 12), (24, 12)]
    assert all(each.weight.grad.abs().max() > 0 for each in maps.values())


def test_models_of_one_width_need_no_map(tiny):
    assert method(tiny(layers=2), tiny(layers=4)).modules() == {}


def test_a_physically_pruned_teacher_has_finite_losses(tiny):
    heads, neurons = np.ones((4, 3), dtype=bool), np.ones((4, 20), dtype=bool)
    heads[1], heads[2, 0], neurons[0, :7] = False, False, False
    student, teacher = tiny(layers=2, seed=1), prune(tiny(layers=4, seed=2), Mask(heads, neurons))
    made = method(student, teacher)
    assert all(
        each.isfinite().all()
        for each in made.knowledge.losses(view(made, student, teacher)).values()
    )


# --- weights and scales ------------------------------------------------------------------------


def test_a_term_is_its_loss_over_its_running_mean_times_its_weight(tiny):
    student, teacher = tiny(layers=2, seed=1), tiny(layers=4, seed=2)
    made = method(student, teacher, choose="uniform", decay=0.75)
    outputs = view(made, student, teacher)
    raw = made.knowledge.losses(outputs)
    made.means, made.counts = torch.tensor([2.0, 4.0, 5.0, 8.0]), torch.ones(4)
    made.set_action(torch.tensor([0.1, 0.2, 0.5, 0.8]))
    terms = made.loss(outputs, START)
    for kind, share in zip(KINDS, (0.05, 0.05, 0.1, 0.1), strict=True):
        torch.testing.assert_close(terms[kind], share * raw[kind])


def test_running_means_are_plain_means_at_first_and_then_moving_averages(tiny):
    student, teacher = tiny(layers=2, seed=1), tiny(layers=4, seed=2)
    made = method(student, teacher, choose="uniform", decay=0.75)
    outputs = view(made, student, teacher)
    expected = None
    for step in range(7):
        losses = [float(10 * place + step) for place in range(1, 5)]
        factors = (made.action / made.scales()).tolist()
        terms = {
            kind: torch.full((5,), factor * loss)
            for kind, factor, loss in zip(KINDS, factors, losses, strict=True)
        }
        made.on_step_end(result(outputs, terms, TrainingProgress(step, 12, 0)))
        share = max(1 / (step + 1), 0.25)
        before = expected or [0.0] * 4
        expected = [old + share * (new - old) for old, new in zip(before, losses, strict=True)]
    assert made.means.tolist() == pytest.approx(expected, rel=1e-5)


def test_a_fresh_student_starts_with_equal_weights_and_no_means(tiny):
    made = method(tiny(layers=2), tiny(layers=4))
    made.set_action(torch.tensor([0.9, 0.1, 0.3, 0.2]))
    made.counts += 3
    made.on_train_start(1)
    assert made.action.tolist() == [0.5] * 4
    assert made.scales().tolist() == [1.0] * 4


def test_a_kind_that_a_hard_action_drops_has_no_term(tiny):
    student, teacher = tiny(layers=2, seed=1), tiny(layers=4, seed=2)
    made = method(student, teacher, action="hard")
    made.set_action(torch.tensor([1.0, 0.0, 1.0, 0.0]))
    assert set(made.loss(view(made, student, teacher), START)) == {"fine_tuning", "feature"}


def test_a_soft_weight_never_vanishes(tiny):
    made = method(tiny(layers=2), tiny(layers=4))
    made.set_action(torch.zeros(4))
    assert made.action.tolist() == pytest.approx([MIN_WEIGHT] * 4)


def test_the_state_is_the_mean_cls_of_both_models_last_layers(tiny):
    student, teacher = tiny(layers=2, seed=1), tiny(layers=4, seed=2)
    made = method(student, teacher)
    outputs = view(made, student, teacher)
    halves = (outputs.student.hidden[2], outputs.teachers[0].hidden[4])
    expected = torch.cat([each[:, 0].mean(0) for each in halves])
    torch.testing.assert_close(state_of(outputs), expected)


# --- controls ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", METHODS["knowledge_selection"].variants)
def test_every_variant_trains(tiny, name):
    values = METHODS["knowledge_selection"].variants[name].values
    _, made, end, _ = learn(tiny, {"episodes": 2, "updates": 2} | dict(values))
    assert end.steps == 12
    assert end.held_out_passes == made.params.reward_passes


def test_the_uniform_control_has_equal_weights_at_every_step(tiny):
    *_, logged = learn(tiny, {"choose": "uniform"})
    weights = [value for _, name, value in logged if name.startswith("weight/")]
    assert len(weights) == 12 * 4
    assert set(weights) == {0.5}


@pytest.mark.parametrize("action", ["soft", "hard"])
def test_random_controls_draw_new_weights_at_every_step(tiny, action):
    *_, logged = learn(tiny, {"choose": "random", "action": action})
    steps = {}
    for step, name, value in logged:
        if name.startswith("weight/"):
            steps.setdefault(step, []).append(value)
    drawn = list(steps.values())[1:]
    assert len({tuple(each) for each in drawn}) > 4
    assert all(any(each) for each in drawn)
    assert {value in (0.0, 1.0) for each in drawn for value in each} == {action == "hard"}


def test_a_random_hard_action_is_any_non_empty_subset(tiny):
    made = method(tiny(layers=2), tiny(layers=4), choose="random", action="hard")
    torch.manual_seed(0)
    found = {tuple(made.random_action().tolist()) for _ in range(400)}
    assert len(found) == 15
    assert (0.0,) * 4 not in found


# --- episodes, phases, rewards -----------------------------------------------------------------


@pytest.mark.parametrize("episodes, phases", [(2, 1), (2, 3), (3, 11)])
def test_rewards_cost_the_stated_number_of_passes(tiny, episodes, phases):
    _, made, end, logged = learn(tiny, {"episodes": episodes, "phases": phases, "updates": 1})
    assert end.held_out_passes == episodes * (phases + 1) == made.params.reward_passes
    assert end.episode_steps == 12 * episodes == 12 * made.params.training_episodes
    paid = [step for step, name, _ in logged if name == "reward/gain"]
    assert len(paid) == episodes * phases
    assert max(paid) < end.episode_steps


def test_an_action_is_fixed_in_a_phase_and_changes_every_step_in_the_final_training(tiny):
    *_, logged = learn(tiny, {"episodes": 2, "phases": 3, "updates": 3})
    first = [value for _, name, value in logged if name == "weight/feature"]
    # Step 0 has equal weights; the phases end after steps 3, 7 and 11.
    assert first[0] == first[12] == first[24] == 0.5
    for start, end in ((1, 4), (4, 8), (8, 12), (13, 16)):
        assert len(set(first[start:end])) == 1
    assert len({first[1], first[4], first[8]}) == 3
    assert len(set(first[25:])) == 11


def test_a_phases_gain_is_the_decrease_of_the_held_out_loss(tiny):
    student, teacher = tiny(layers=2, seed=1), tiny(layers=4, seed=2)
    made = method(student, teacher, phases=3, updates=1, bonus=0.0)
    outputs, losses = view(made, student, teacher), iter([5.0, 4.0, 2.0, 2.5])
    for step in range(12):
        terms = {kind: each.detach() for kind, each in made.loss(outputs, START).items()}
        made.on_step_end(
            StepResult(
                outputs, terms, TrainingProgress(step, 12, 0), lambda: {"loss": next(losses)}, view
            )
        )
    columns = made.agent.buffer.columns
    assert columns["gains"].tolist() == [1.0, 2.0, -0.5]
    assert columns["last"].tolist() == [0.0, 0.0, 1.0]
    assert columns["phases"].tolist() == [0.0, 1.0, 2.0]
    assert next(losses, None) is None


def stopped(tiny, values, step):
    """The checkpoint of a training that is stopped after that many steps."""
    kept = []
    # `stop` is first called after the pass that caches the teacher's states.
    stops = iter([*[False] * (step + 1), True])
    with pytest.raises(Cancelled):
        learn(
            tiny,
            values,
            should_stop=lambda: next(stops),
            save_checkpoint=lambda checkpoint: kept.append(deepcopy(checkpoint)),
        )
    assert kept[-1].facts["step"] == step
    return kept[-1]


def test_the_agent_is_updated_in_the_episodes_and_frozen_in_the_final_training(tiny):
    values = {"episodes": 2, "updates": 3}
    early, learned, late = (
        {
            name: each
            for name, each in stopped(tiny, values, step).part("method").items()
            if "network" in name
        }
        for step in (6, 24, 35)
    )
    assert not all(torch.equal(early[name], each) for name, each in learned.items())
    assert all(torch.equal(late[name], each) for name, each in learned.items())


@pytest.mark.parametrize("values", [{}, {"action": "hard"}])
def test_an_interruption_anywhere_changes_nothing(tiny, tmp_path, values):
    values = {"episodes": 2, "phases": 4, "updates": 3} | values
    whole, _, straight, _ = learn(tiny, values)
    path = tmp_path / "state.safetensors"
    for step in (5, 12, 24, 29):
        stopped(tiny, values, step).save(path)
        broken, _, pieces, _ = learn(tiny, values, checkpoint=Checkpoint.load(path))
        assert straight.history == pieces.history, step
        assert straight.held_out_passes == pieces.held_out_passes, step
        for name, weight in whole.state_dict().items():
            assert torch.equal(weight, broken.state_dict()[name]), (step, name)


# --- invalid input -----------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 2])
def test_any_number_of_teachers_but_one_is_an_error(tiny, count):
    made = KnowledgeSelection(KnowledgeSelectionParams())
    with pytest.raises(Incompatible, match=f"not {count}"):
        made.prepare(Setup(tiny(), CARD, count, tuple(tiny() for _ in range(count))))


def test_layers_that_do_not_divide_are_an_error(tiny):
    with pytest.raises(Incompatible, match="teacher has 4 layers, the student 3"):
        method(tiny(layers=3), tiny(layers=4))


def test_one_layer_without_embeddings_is_an_error(tiny):
    with pytest.raises(Incompatible, match="set embeddings"):
        method(tiny(layers=1), tiny(layers=2))


def test_more_phases_than_steps_are_an_error(tiny):
    with pytest.raises(Incompatible, match="at most 11 phases"):
        method(tiny(layers=2), tiny(layers=4), phases=12)


def test_a_selection_split_smaller_than_a_batch_is_an_error(tiny):
    made = KnowledgeSelection(KnowledgeSelectionParams())
    setup = Setup(
        tiny(layers=2), CARD, 1, (tiny(layers=4),), steps=12, selection_rows=7, batch_size=8
    )
    with pytest.raises(Incompatible, match="7 examples, a batch 8"):
        made.prepare(setup)


@pytest.mark.parametrize("values", [{"phases": 0}, {"episodes": 1}, {"action": "firm"}])
def test_values_out_of_range_are_an_error(values):
    with pytest.raises(BadInput, match=next(iter(values))):
        KnowledgeSelectionParams.of(values)


def test_the_controls_have_no_episodes_and_no_reward_passes():
    for choose in ("uniform", "random"):
        params = KnowledgeSelectionParams.of({"choose": choose})
        assert (params.training_episodes, params.reward_passes) == (0, 0)
