"""The contract of every method in the catalogue."""

import pkgutil
from copy import deepcopy
from importlib import import_module
from inspect import isabstract

import pytest
import torch

from sparsekd import methods
from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.parameters import MethodParams, TrainParams
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.errors import Cancelled
from sparsekd.knowledge import observe
from sparsekd.knowledge.evaluation import predict
from sparsekd.methods import BatchOutputs, Method, Setup, TrainingProgress, load
from sparsekd.training import Callbacks, TrainingJob, train
from tests.tiny_data import padded, tiny_card, tiny_data

# Values at which a training with episodes takes a moment.
FEWER = {"knowledge_selection": {"episodes": 2, "updates": 2}}
UNUSED_AT_DEFAULTS = {"internal": {"hard"}}  # terms of gold labels that a parameter adds
MIDWAY = TrainingProgress(step=3, steps=8, epoch=0)
TRAINING = [TrainingProgress(step, 8, epoch=step // 4) for step in range(8)]


def test_a_module_with_a_method_has_a_card():
    """Of the names that a module defines, not of those that it imports."""
    for each in pkgutil.iter_modules(methods.__path__):
        module = import_module(f"{methods.__name__}.{each.name}")
        own = [
            value
            for value in vars(module).values()
            if isinstance(value, type) and value.__module__ == module.__name__
        ]
        if any(issubclass(value, Method) and not isabstract(value) for value in own):
            assert each.name in METHODS


def fewer(card):
    """The default parameters, with few episodes and updates of a selector."""
    return card.params.of(FEWER.get(card.name, {}))


@pytest.fixture(params=list(METHODS.values()), ids=list(METHODS))
def card(request):
    return request.param


@pytest.fixture(params=[1, 2, 3], ids=["regression", "two classes", "three classes"])
def classes(request):
    return request.param


class Prepared:
    """A method prepared for a tiny student and its least number of teachers."""

    def __init__(self, card, tiny, classes):
        self.student = tiny(labels=classes, layers=2, seed=1)
        count = card.least_teachers
        self.teachers = tuple(tiny(labels=classes, layers=4, seed=2 + k) for k in range(count))
        self.method = load(card)(card.params())
        teachers = self.teachers if self.method.reads_layers else ()
        sizes = {"steps": 8, "rows": 64, "selection_rows": 64}
        self.method.prepare(Setup(self.student, tiny_card(classes), count, teachers, **sizes))
        self.method.on_train_start(0)
        self.batch = tiny_data(5, classes).batch(range(5))

    def terms(self, batch, progress=MIDWAY, class_weights=None):
        student = observe(self.student, batch, self.method.student_needs)
        with torch.no_grad():
            needs = self.method.teacher_needs
            teachers = tuple(observe(each, batch, needs) for each in self.teachers)
        outputs = BatchOutputs(
            *(student, teachers, batch.labels, batch.attention_mask, batch.rows, None),
            class_weights,
        )
        return self.method.loss(outputs, progress)


@pytest.fixture
def prepared(card, tiny, classes):
    return Prepared(card, tiny, classes)


def test_a_card_is_complete_and_its_method_is_in_the_file_of_that_name(card):
    assert METHODS[card.name] is card
    assert card.params.__module__ == f"sparsekd.catalog.methods.{card.name}"
    assert load(card).__module__ == f"sparsekd.methods.{card.name}"
    assert str(card.year) in card.source
    assert card.title and card.summary and card.source
    assert issubclass(card.params, MethodParams)
    assert issubclass(load(card), Method)
    assert 0 <= card.least_teachers <= card.most_teachers


def test_every_parameter_has_a_default_and_help(card):
    card.params()
    assert all(field.description for field in card.params.model_fields.values())


def test_the_values_of_every_variant_are_in_range(card):
    for variant in card.variants.values():
        StudentParams.of(dict(variant.start))
        assert variant.start or card.params.of(dict(variant.values)) != card.params()


def test_only_a_method_that_reads_layers_needs_those_of_teachers(prepared):
    assert prepared.method.reads_layers or not prepared.method.teacher_needs


def test_the_card_says_which_states_the_method_compares(prepared, card):
    """The estimate of memory reads the card; scores are attention before its softmax."""
    method, layers = prepared.method, {"each": 2, "one": 1}
    assert bool(card.reads) == method.reads_layers
    for state, needed in method.teacher_needs.items():
        count = len(set(needed) - {0})
        assert count <= layers[card.reads["attention" if state == "scores" else state]]


def test_each_term_is_named_finite_and_one_value_per_example(prepared):
    for progress in TRAINING:
        terms = prepared.terms(prepared.batch, progress)
        assert terms
        for name, term in terms.items():
            assert isinstance(name, str)
            assert term.shape == (5,)
            assert term.isfinite().all()


@pytest.mark.parametrize("classes", [3])
def test_class_weights_multiply_the_terms_of_gold_labels_and_no_other(prepared, card):
    weights = torch.tensor([0.5, 2.0, 3.0])
    gold = set()
    for progress in TRAINING:
        usual, weighted = (
            prepared.terms(prepared.batch, progress, given) for given in (None, weights)
        )
        for name, term in usual.items():
            factor = weights[prepared.batch.labels] if name in card.gold_terms else 1
            torch.testing.assert_close(weighted[name], factor * term)
        gold |= usual.keys() & set(card.gold_terms)
    assert gold == set(card.gold_terms) - UNUSED_AT_DEFAULTS.get(card.name, set())


def test_each_term_has_a_gradient_into_the_student(prepared):
    for progress in TRAINING:
        for term in prepared.terms(prepared.batch, progress).values():
            gradients = torch.autograd.grad(
                term.sum(),
                list(prepared.student.parameters()),
                retain_graph=True,
                allow_unused=True,
            )
            assert any(each is not None and each.abs().max() > 0 for each in gradients)


def test_the_classifier_has_a_gradient_at_some_step(prepared):
    for progress in TRAINING:
        sum(prepared.terms(prepared.batch, progress).values()).mean().backward()
    assert max(each.grad.abs().max() for each in prepared.student.classifier.parameters()) > 0


def test_padding_changes_nothing(prepared):
    plain, wide = prepared.terms(prepared.batch), prepared.terms(padded(prepared.batch, 5))
    assert plain.keys() == wide.keys()
    for name, term in plain.items():
        torch.testing.assert_close(term, wide[name], rtol=1e-4, atol=1e-5)


def test_an_examples_loss_does_not_depend_on_the_rest_of_its_batch(prepared):
    together = sum(prepared.terms(prepared.batch).values())
    data = tiny_data(5, prepared.student.config.num_labels)
    alone = [sum(prepared.terms(data.batch([row])).values()) for row in range(5)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_its_state_can_be_saved_and_restored(prepared):
    state = prepared.method.state_dict()
    prepared.method.load_state_dict({name: tensor.clone() for name, tensor in state.items()})
    assert prepared.method.state_dict().keys() == state.keys()
    for name, tensor in prepared.method.state_dict().items():
        assert torch.equal(tensor, state[name])


def test_a_training_ends_with_an_evaluated_student(card, tiny):
    teachers = [tiny(layers=4, seed=2 + number) for number in range(card.least_teachers)]
    method, data = load(card)(fewer(card)), tiny_data(24, seed=1)
    logits = [predict(teacher, data) for teacher in teachers]
    params = TrainParams(epochs=4, batch_size=4, learning_rate=1e-3)
    student, selection = tiny(layers=2, seed=1), tiny_data(64, seed=2)
    teachers = teachers if method.reads_layers else ()
    job = TrainingJob(
        student,
        method,
        data,
        selection,
        tiny_card(),
        params,
        teacher_logits=logits,
        teachers=teachers,
    )
    trained = train(job)
    assert trained.steps == 24
    assert trained.episode_steps == 24 * method.training_episodes
    assert 0 <= trained.metrics["accuracy"] <= 1
    assert all(row["when"] in ("before", "after") for row in trained.inspected)


def test_a_resumed_training_ends_like_an_uninterrupted_one(card, tiny):
    teachers = [tiny(layers=4, seed=2 + number) for number in range(card.least_teachers)]
    data = tiny_data(24, seed=1)
    logits = [predict(teacher, data) for teacher in teachers]

    def run(**more):
        method, student = load(card)(fewer(card)), tiny(layers=2, seed=1)
        more |= {"teacher_logits": logits, "teachers": teachers if method.reads_layers else ()}
        params = TrainParams(epochs=2, batch_size=4, learning_rate=1e-3)
        job = TrainingJob(student, method, data, tiny_data(64, seed=2), tiny_card(), params, **more)
        return student, train(job)

    whole, straight = run()
    checkpoints, stop = [], iter([*[False] * 7, True])
    callbacks = Callbacks(
        should_stop=lambda: next(stop),
        save_checkpoint=lambda checkpoint: checkpoints.append(deepcopy(checkpoint)),
    )
    with pytest.raises(Cancelled):
        run(callbacks=callbacks)
    resumed, pieces = run(checkpoint=checkpoints[-1])
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, resumed.state_dict()[name]), name
    assert straight.history == pieces.history
