"""Students trained together are those trained one by one; one's end takes nobody down."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sparsekd import methods
from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.methods.fine_tuning import FineTuningParams
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.errors import BadInput, Cancelled, Incompatible
from sparsekd.knowledge.evaluation import predict
from sparsekd.methods.fine_tuning import FineTuning
from sparsekd.methods.vanilla import Vanilla
from sparsekd.models import stacked
from sparsekd.training import stacked as together
from sparsekd.training import train
from sparsekd.training.checkpoint import Checkpoint
from sparsekd.training.stacked import Learner
from tests.conftest import tiny_model
from tests.tiny_data import tiny_card, tiny_data

# A large epsilon: otherwise AdamW makes whole steps of gradients that are rounding errors.
PARAMS = TrainParams(
    weight_decay=0.5, epochs=4, batch_size=8, learning_rate=1e-2, patience=2, epsilon=1e-3, clip=0.5
)
CARD, DATA, SELECTION = tiny_card(), tiny_data(28, seed=1), tiny_data(30, seed=2)
WAYS = ({"alpha": 1.0, "temperature": 1.0}, {"alpha": 0.5}, {"alpha": 0.2, "temperature": 4.0})


def student(seed, architecture="bert", labels=2, **options):
    names = {"distilbert": ("dropout", "attention_dropout", "seq_classif_dropout")}
    usual = ("hidden_dropout_prob", "attention_probs_dropout_prob")
    none = dict.fromkeys(names.get(architecture, usual), 0.0)
    return tiny_model(
        architecture, labels, seed=seed, attn_implementation="sdpa", **none, **options
    )


def learners(architecture="bert", labels=2, data=DATA):
    """Three that a teacher of their own teaches, each with its own weights, and one untaught."""
    found = []
    for seed, way in enumerate(WAYS):
        logits = predict(tiny_model(layers=3, seed=20 + seed, labels=labels), data)
        model = student(seed, architecture, labels)
        found.append(Learner(model, Vanilla(VanillaParams.of(way)), seed, [logits]))
    untaught = FineTuning(FineTuningParams())
    return [*found, Learner(student(3, architecture, labels), untaught, 3)]


def alone(learner, params=PARAMS, data=DATA, selection=SELECTION, card=CARD, **more):
    """The same student by itself: a copy of its model, and how its training went."""
    model = copy.deepcopy(learner.model)
    material = {"seed": learner.seed, "teacher_logits": learner.teacher_logits}
    return model, train(model, learner.method, data, selection, card, params, **(material | more))


def all_together(group, params=PARAMS, data=DATA, selection=SELECTION, card=CARD, **more):
    return dict(together.train(group, data, selection, card, params, **more))


def assert_same(learner, ended, expected):
    model, told = expected
    assert (ended.steps, ended.best_epoch) == (told.steps, told.best_epoch)
    assert ended.metrics == pytest.approx(told.metrics, abs=1e-4)
    for mine, theirs in zip(ended.history, told.history, strict=True):
        assert mine["losses"] == pytest.approx(theirs["losses"], abs=1e-4)
        assert mine["metrics"] == pytest.approx(theirs["metrics"], abs=1e-4)
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(
            learner.model.state_dict()[name], weight, atol=2e-5, rtol=1e-4, msg=name
        )


def test_every_student_becomes_what_it_becomes_alone(architecture):
    group = learners(architecture)
    expected = [alone(each) for each in group]
    before = [copy.deepcopy(each.model.state_dict()) for each in group]
    ended = all_together(group)
    for place, each in enumerate(group):
        assert_same(each, ended[place], expected[place])
        moved = [
            float((weight - before[place][name]).abs().max())
            for name, weight in each.model.state_dict().items()
        ]
        assert max(moved) > 0.01, "the tolerance would hide that nothing was learned"


def test_students_whose_patience_ends_leave_the_others_at_it():
    group = learners()
    short = PARAMS.changed({"epochs": 8, "patience": 1})
    expected = [alone(each, short) for each in group]
    ended = all_together(group, short)
    assert len({told.steps for _, told in expected}) > 1
    for place, each in enumerate(group):
        assert_same(each, ended[place], expected[place])
        shared = {weight.untyped_storage().nbytes() for weight in each.model.parameters()}
        own = {weight.numel() * weight.element_size() for weight in each.model.parameters()}
        assert shared == own, "a student that has left still holds the others' weights"


@pytest.mark.parametrize("labels", [1, 3])
def test_a_regression_and_three_classes_are_learned_together_too(labels):
    card, data, selection = tiny_card(labels), tiny_data(28, labels), tiny_data(30, labels, seed=2)
    material = {"data": data, "selection": selection, "card": card}
    group = learners(labels=labels, data=data)
    expected = [alone(each, **material) for each in group]
    ended = all_together(group, **material)
    for place, each in enumerate(group):
        assert_same(each, ended[place], expected[place])


def countdown(calls):
    """A `stop` that says yes at that call, counting from 0."""
    left = iter([*[False] * calls, True])
    return lambda: next(left)


def interrupted(group, stops, tmp_path):
    """The group, each member killed after so many steps, ready to go on in fresh models."""
    paths = [tmp_path / f"{place}.safetensors" for place in range(len(group))]
    halted = [
        replace(
            each,
            model=copy.deepcopy(each.model),
            stop=countdown(stop),
            save=lambda checkpoint, path=path: checkpoint.save(path),
        )
        for each, stop, path in zip(group, stops, paths, strict=True)
    ]
    ended = all_together(halted)
    assert all(isinstance(end, Cancelled) for end in ended.values())
    return [
        replace(each, resume=Checkpoint.load(path)) for each, path in zip(group, paths, strict=True)
    ]


def test_a_killed_group_goes_on_though_its_members_stand_at_different_steps(tmp_path):
    group = learners()
    expected = [alone(each) for each in group]
    resumed = interrupted(group, (2, 5, 5, 0), tmp_path)
    ended = all_together(resumed)
    for place, each in enumerate(resumed):
        assert_same(each, ended[place], expected[place])


def test_a_student_of_a_killed_group_can_go_on_alone_and_back(tmp_path):
    group = learners()[:2]
    expected = [alone(each) for each in group]
    resumed = interrupted(group, (3, 6), tmp_path)
    path = tmp_path / "alone.safetensors"
    with pytest.raises(Cancelled):
        alone(
            resumed[0],
            resume=resumed[0].resume,
            stop=countdown(4),
            save=lambda checkpoint: checkpoint.save(path),
        )
    again = [replace(resumed[0], resume=Checkpoint.load(path)), resumed[1]]
    ended = all_together(again)
    for place, each in enumerate(again):
        assert_same(each, ended[place], expected[place])


def test_one_that_diverges_and_one_that_is_refused_take_nobody_down():
    group = learners()
    expected = [alone(each) for each in group]
    with torch.no_grad():
        group[1].model.base_model.embeddings.word_embeddings.weight.fill_(torch.nan)
    group[2] = replace(group[2], teacher_logits=[np.zeros((3, 2), dtype=np.float32)])
    ended = all_together(group)
    assert isinstance(ended[1], BadInput) and "became nan" in ended[1].message
    assert isinstance(ended[2], Incompatible) and "shape" in ended[2].message
    for place in (0, 3):
        assert_same(group[place], ended[place], expected[place])


def test_dropout_is_drawn_for_each_student_on_its_own():
    model = tiny_model(attn_implementation="sdpa", hidden_dropout_prob=0.5)
    stack = stacked.Stack([copy.deepcopy(model), copy.deepcopy(model)])
    rows = np.array([0, 1, 2, 0, 1, 2])
    first, second = stack.logits(DATA.batch(rows))
    assert not torch.allclose(first, second)


def test_what_cannot_be_stacked_is_refused_with_the_reason(monkeypatch):
    with pytest.raises(Incompatible, match="differ in their shape"):
        stacked.check([student(0), student(1, layers=3)])
    tied = student(0)
    layers = tied.base_model.encoder.layer
    layers[1].intermediate.dense.weight = layers[0].intermediate.dense.weight
    with pytest.raises(Incompatible, match="share weights"):
        stacked.check([tied])
    strange = student(0)
    strange.classifier = nn.Bilinear(2, 2, 2)
    with pytest.raises(Incompatible, match=r"'classifier' \(Bilinear\)"):
        stacked.check([strange])


def test_methods_on_the_menu_stack_only_where_they_read_logits_and_labels_alone():
    for card in METHODS.values():
        method = methods.load(card)(card.params())
        learner = Learner(student(0), method)
        if card.stacks:
            together.check([learner])
        elif method.reads_layers or method.inspects_examples or method.training_episodes:
            with pytest.raises(Incompatible, match="more than logits and labels"):
                together.check([learner])
    assert {name for name, card in METHODS.items() if card.stacks} == {"fine_tuning", "vanilla"}
