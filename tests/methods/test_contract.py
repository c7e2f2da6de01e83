"""One contract for every method on the menu."""

from copy import deepcopy

import pytest
import torch

from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.parameters import Params, TrainParams
from sparsekd.errors import Cancelled
from sparsekd.knowledge import observe
from sparsekd.knowledge.evaluation import predict
from sparsekd.methods import BatchOutputs, Method, Setup, TrainingProgress, load
from sparsekd.training import Callbacks, TrainingJob, train
from tests.tiny_data import padded, tiny_card, tiny_data

MIDWAY = TrainingProgress(step=3, steps=8, epoch=0)
COURSE = [TrainingProgress(step, 8, epoch=step // 4) for step in range(8)]


@pytest.fixture(params=list(METHODS.values()), ids=list(METHODS))
def card(request):
    return request.param


@pytest.fixture(params=[1, 2, 3], ids=["regression", "two classes", "three classes"])
def classes(request):
    return request.param


class Scene:
    """A method prepared for a tiny student and as many teachers as it asks for."""

    def __init__(self, card, tiny, classes):
        self.student = tiny(labels=classes, layers=2, seed=1)
        count = card.least_teachers
        self.teachers = tuple(tiny(labels=classes, layers=4, seed=2 + k) for k in range(count))
        self.method = load(card)(card.params())
        inside = self.teachers if self.method.reads_layers else ()
        self.method.prepare(
            Setup(
                self.student, tiny_card(classes), count, inside,
                steps=8, rows=64, selection_rows=64,
            )
        )  # fmt: skip
        self.method.on_train_start(0)
        self.batch = tiny_data(5, classes).batch(range(5))

    def terms(self, batch, progress=MIDWAY):
        student = observe(self.student, batch, self.method.student_needs)
        with torch.no_grad():
            needs = self.method.teacher_needs
            taught = tuple(observe(each, batch, needs) for each in self.teachers)
        seen = BatchOutputs(student, taught, batch.labels, batch.attention_mask, batch.rows)
        return self.method.loss(seen, progress)


@pytest.fixture
def scene(card, tiny, classes):
    return Scene(card, tiny, classes)


def test_a_card_says_what_it_is_and_leads_to_a_method(card):
    assert METHODS[card.name] is card
    assert str(card.year) in card.source
    assert card.title and card.summary and card.source
    assert issubclass(card.params, Params)
    assert issubclass(load(card), Method)
    assert 0 <= card.least_teachers <= card.most_teachers


def test_every_parameter_has_a_default_and_help(card):
    card.params()
    assert all(field.description for field in card.params.model_fields.values())


def test_what_it_needs_of_teachers_is_shown_only_where_it_looks_inside(scene):
    assert scene.method.reads_layers or not scene.method.teacher_needs


def test_each_term_is_named_finite_and_one_value_per_example(scene):
    for progress in COURSE:
        terms = scene.terms(scene.batch, progress)
        assert terms
        for name, term in terms.items():
            assert isinstance(name, str)
            assert term.shape == (5,)
            assert term.isfinite().all()


def test_each_term_has_a_gradient_into_the_student(scene):
    for progress in COURSE:
        for term in scene.terms(scene.batch, progress).values():
            gradients = torch.autograd.grad(
                term.sum(), list(scene.student.parameters()), retain_graph=True, allow_unused=True
            )
            assert any(each is not None and each.abs().max() > 0 for each in gradients)


def test_the_output_matrix_learns_at_some_time(scene):
    for progress in COURSE:
        sum(scene.terms(scene.batch, progress).values()).mean().backward()
    assert max(each.grad.abs().max() for each in scene.student.classifier.parameters()) > 0


def test_padding_changes_nothing(scene):
    plain, wide = scene.terms(scene.batch), scene.terms(padded(scene.batch, 5))
    assert plain.keys() == wide.keys()
    for name, term in plain.items():
        torch.testing.assert_close(term, wide[name], rtol=1e-4, atol=1e-5)


def test_an_examples_loss_does_not_depend_on_its_company(scene):
    together = sum(scene.terms(scene.batch).values())
    data = tiny_data(5, scene.student.config.num_labels)
    alone = [sum(scene.terms(data.batch([row])).values()) for row in range(5)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-4, atol=1e-5)


def test_what_it_remembers_survives_an_interruption(scene):
    state = scene.method.state_dict()
    scene.method.load_state_dict({name: tensor.clone() for name, tensor in state.items()})
    assert scene.method.state_dict().keys() == state.keys()
    for name, tensor in scene.method.state_dict().items():
        assert torch.equal(tensor, state[name])


def test_a_training_by_it_ends_with_a_judged_student(card, tiny):
    teachers = [tiny(layers=4, seed=2 + number) for number in range(card.least_teachers)]
    method, data = load(card)(card.params()), tiny_data(24, seed=1)
    logits = [predict(teacher, data) for teacher in teachers]
    job = TrainingJob(
        tiny(layers=2, seed=1), method, data, tiny_data(64, seed=2), tiny_card(),
        TrainParams(epochs=4, batch_size=4, learning_rate=1e-3), teacher_logits=logits,
        teachers=teachers if method.reads_layers else (),
    )  # fmt: skip
    trained = train(job)
    assert trained.steps == 24
    assert trained.episode_steps == 24 * method.training_episodes
    assert 0 <= trained.metrics["accuracy"] <= 1
    assert all(row["when"] in ("before", "after") for row in trained.inspected)


def test_an_interrupted_training_by_it_ends_as_if_it_never_was(card, tiny):
    teachers = [tiny(layers=4, seed=2 + number) for number in range(card.least_teachers)]
    data = tiny_data(24, seed=1)
    logits = [predict(teacher, data) for teacher in teachers]

    def learn(**more):
        method, student = load(card)(card.params()), tiny(layers=2, seed=1)
        job = TrainingJob(
            student, method, data, tiny_data(64, seed=2), tiny_card(),
            TrainParams(epochs=2, batch_size=4, learning_rate=1e-3), teacher_logits=logits,
            teachers=teachers if method.reads_layers else (), **more,
        )  # fmt: skip
        return student, train(job)

    whole, straight = learn()
    checkpoints, stop = [], iter([*[False] * 7, True])
    callbacks = Callbacks(
        should_stop=lambda: next(stop),
        save_checkpoint=lambda checkpoint: checkpoints.append(deepcopy(checkpoint)),
    )
    with pytest.raises(Cancelled):
        learn(callbacks=callbacks)
    broken, pieces = learn(checkpoint=checkpoints[-1])
    for name, weight in whole.state_dict().items():
        assert torch.equal(weight, broken.state_dict()[name]), name
    assert straight.history == pieces.history
