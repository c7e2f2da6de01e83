"""Scores equal finite differences, a slow reference loop, captum, and each other."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.attr import LayerGradientXActivation
from transformers import PreTrainedModel

from sparsekd.catalog.stage_parameters import ScoreParams
from sparsekd.data import Encoded
from sparsekd.errors import BadInput, Cancelled, Incompatible
from sparsekd.knowledge import accumulator
from sparsekd.knowledge.evaluation import predict
from sparsekd.knowledge.gradients import PassOptions
from sparsekd.knowledge.rankings import magnitude
from sparsekd.knowledge.scores import Streamed, jacobian, stream
from sparsekd.models import architectures
from sparsekd.models.gates import Gates, gated
from sparsekd.models.pruning import prune
from sparsekd.units.jacobians import Jacobian
from sparsekd.units.masking import Mask, decide
from sparsekd.units.rescoring import directions, rescore
from sparsekd.units.scores import MATRICES, Scores

GRID = (2, 3, 20)
EXAMPLES = 23
PARAMS = ScoreParams(batch_size=5)


def encoded(classes: int, examples: int = EXAMPLES, seed: int = 0) -> Encoded:
    """Random sentences of 3 to 12 tokens: lengths mix within every scoring batch."""
    draws = np.random.default_rng(seed)
    offsets = np.concatenate([[0], np.cumsum(draws.integers(3, 13, examples))])
    ids = draws.integers(5, 40, offsets[-1]).astype(np.int32)
    labels = draws.integers(0, classes, examples) if classes > 1 else draws.normal(size=examples)
    return Encoded(ids, np.zeros(offsets[-1], dtype=np.int8), offsets, labels)


def distillation_loss(
    t: torch.Tensor, s: torch.Tensor, y: torch.Tensor, params: ScoreParams
) -> torch.Tensor:
    """METHODS §1.3, mean over the batch."""
    if y.ndim == 2:
        T, bce = params.temperature, F.binary_cross_entropy
        p, q = torch.sigmoid(t / T), torch.sigmoid(s / T)
        entropy = bce(p, p) if params.friendliness == "kl" else 0
        return 0.5 * T**2 * (bce(q, p) - entropy)
    if t.shape[1] == 1:
        return 0.5 * (F.mse_loss(s, t) + F.mse_loss(s[:, 0], y))
    T = params.temperature
    p, log_q = torch.softmax(t / T, 1), torch.log_softmax(s / T, 1)
    soft = -(p * log_q).sum(1).mean()
    if params.friendliness == "kl":
        soft = soft + (p * torch.log(p)).sum(1).mean()
    return 0.5 * (T**2 * soft + F.cross_entropy(s, y))


def task_loss(t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if y.ndim == 2:
        return F.binary_cross_entropy_with_logits(t, y)
    return F.cross_entropy(t, y) if t.shape[1] > 1 else F.mse_loss(t[:, 0], y)


def reference(
    teacher: PreTrainedModel, data: Encoded, student: np.ndarray, params: ScoreParams
) -> dict[str, np.ndarray]:
    """The slow loop: gates that multiply, batches in the data's order, two backward passes."""
    size = 1 if params.aggregate == "per_example" else params.batch_size
    total = {name: np.zeros((2, GRID[1 + ("neuron" in name)])) for name in MATRICES}
    starts = range(0, len(data), size)
    for start in starts:
        batch = data.batch(np.arange(start, min(start + size, len(data))))
        s = torch.from_numpy(student[batch.rows])
        for kind in ("expressiveness", "friendliness"):
            gates = Gates.open(teacher)
            gates.heads.requires_grad_()
            gates.neurons.requires_grad_()
            with gated(teacher, gates):
                t = teacher(**batch.inputs(teacher)).logits
            y = batch.labels.to(t.dtype) if t.shape[1] == 1 else batch.labels
            expressive = kind == "expressiveness"
            loss = task_loss(t, y) if expressive else distillation_loss(t, s, y, params)
            loss.backward()
            total[f"head_{kind}"] += gates.heads.grad.abs().double().numpy()
            total[f"neuron_{kind}"] += gates.neurons.grad.abs().double().numpy()
    examples = len(starts) if params.aggregate == "per_example" else 1
    return {name: matrix / examples for name, matrix in total.items()}


def assert_same(scores: Scores, expected: dict[str, np.ndarray], rtol: float = 1e-5) -> None:
    for name in MATRICES:
        scale = np.abs(expected[name]).max()
        np.testing.assert_allclose(
            getattr(scores, name), expected[name], rtol=rtol, atol=scale * rtol / 100, err_msg=name
        )


def arrays(scores: Scores) -> dict[str, np.ndarray]:
    return {name: getattr(scores, name) for name in MATRICES}


def both(streamed: Streamed) -> Iterator[tuple[str, Scores]]:
    yield "per_batch", streamed.per_batch
    yield "per_example", streamed.per_example


def in_memory(
    teacher: PreTrainedModel, data: Encoded, options: PassOptions | None = None
) -> Jacobian:
    classes, units = teacher.config.num_labels, GRID[0] * (GRID[1] + GRID[2])
    count = directions(classes, data.labels.ndim == 2)
    values = np.full((len(data), count, units), np.nan)
    logits = jacobian(teacher, data, values, options)
    return Jacobian(values, logits, data.labels, GRID)


@pytest.mark.parametrize(
    ("architecture", "classes"),
    [("bert", 1), ("bert", 2), ("bert", 3), ("roberta", 5), ("distilbert", 1), ("electra", 3)],
)
def test_scores_equal_a_slow_reference_loop(architecture, classes, tiny):
    teacher = tiny(architecture, classes).double()
    data = encoded(classes)
    student = np.random.default_rng(1).normal(size=(EXAMPLES, classes))
    for aggregate, scores in both(stream(teacher, data, student, PARAMS, PassOptions(tokens=40))):
        params = PARAMS.model_copy(update={"aggregate": aggregate})
        assert_same(scores, reference(teacher, data, student, params))
        assert scores.provenance["aggregate"] == aggregate


@pytest.mark.parametrize(("classes", "temperature"), [(2, 1.0), (3, 4.0), (5, 1.0), (2, 4.0)])
def test_scores_by_kl_equal_a_slow_reference_loop(classes, temperature, tiny):
    teacher, data = tiny("bert", classes).double(), encoded(classes)
    student = np.random.default_rng(1).normal(size=(EXAMPLES, classes))
    params = PARAMS.model_copy(update={"friendliness": "kl", "temperature": temperature})
    for aggregate, scores in both(stream(teacher, data, student, params)):
        given = params.model_copy(update={"aggregate": aggregate})
        assert_same(scores, reference(teacher, data, student, given))


def test_scores_in_float32_equal_the_reference_in_float64(architecture, tiny):
    teacher, data = tiny(architecture, 2), encoded(2)
    student = np.random.default_rng(1).normal(size=(EXAMPLES, 2))
    scores = stream(teacher, data, student, PARAMS).per_batch
    expected = reference(teacher.double(), data, student, PARAMS)
    for name in MATRICES:
        difference = np.linalg.norm(getattr(scores, name) - expected[name])
        assert difference < 1e-5 * np.linalg.norm(expected[name]), name


@pytest.mark.parametrize("kind", ["head", "neuron"])
@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("classes", [1, 2, 3])
def test_scores_equal_finite_differences(kind, layer, classes, tiny):
    teacher, data, step, unit = tiny("bert", classes).double(), encoded(classes), 1e-5, 2
    student = np.random.default_rng(1).normal(size=(EXAMPLES, classes))
    batch = data.batch(np.arange(EXAMPLES))
    y = batch.labels.double() if classes == 1 else batch.labels

    def losses(value: float) -> np.ndarray:
        gates = Gates.open(teacher)
        (gates.heads if kind == "head" else gates.neurons)[layer, unit] = value
        with torch.no_grad(), gated(teacher, gates):
            t = teacher(**batch.inputs(teacher)).logits
        s = torch.from_numpy(student)
        return np.array([task_loss(t, y), distillation_loss(t, s, y, PARAMS)])

    slopes = np.abs(losses(1 + step) - losses(1 - step)) / (2 * step)
    whole = PARAMS.model_copy(update={"batch_size": EXAMPLES})
    scores = stream(teacher, data, student, whole).per_batch
    names = (f"{kind}_expressiveness", f"{kind}_friendliness")
    found = [getattr(scores, name)[layer, unit] for name in names]
    np.testing.assert_allclose(found, slopes, rtol=1e-5, atol=1e-9)


def test_the_jacobian_of_the_neurons_is_what_captum_finds(architecture, tiny):
    teacher, data = tiny(architecture, 3), encoded(3, examples=6)
    batch = data.batch(np.arange(6))
    found = in_memory(teacher, data).values[:, :, GRID[0] * GRID[1] :]

    def forward(ids: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
        return teacher(input_ids=ids, attention_mask=attention).logits

    for number, layer in enumerate(architectures.layers(teacher)):
        method = LayerGradientXActivation(forward, layer.neuron_site)
        per_class = [
            method.attribute(
                batch.input_ids,
                target=target,
                additional_forward_args=(batch.attention_mask,),
                attribute_to_layer_input=True,
            )
            .sum(dim=1)
            .detach()
            for target in range(3)
        ]
        columns = slice(number * GRID[2], (number + 1) * GRID[2])
        for k in range(2):
            expected = per_class[k] - per_class[2]
            np.testing.assert_allclose(found[:, k, columns], expected, rtol=1e-3, atol=2e-6)


@pytest.mark.parametrize("classes", [1, 2, 3, 5])
@pytest.mark.parametrize("aggregate", ["per_batch", "per_example"])
def test_rescoring_from_the_jacobian_equals_the_streaming_pass(classes, aggregate, tiny):
    teacher, data = tiny("bert", classes), encoded(classes)
    found = in_memory(teacher, data, PassOptions(tokens=40))
    for seed, friendliness in enumerate(("soft_ce", "kl")):
        student = np.random.default_rng(seed).normal(size=(EXAMPLES, classes))
        params = ScoreParams(batch_size=7, friendliness=friendliness, aggregate=aggregate)
        streamed = stream(teacher, data, student, params)
        assert_same(rescore(found, student, params), arrays(getattr(streamed, aggregate)), 1e-4)
        np.testing.assert_allclose(streamed.logits, found.logits, atol=1e-5)
        made = rescore(found, student, params).provenance
        assert made == getattr(streamed, aggregate).provenance


@pytest.mark.parametrize("batch_size", [1, 4, 23, 100])
def test_how_batches_are_packed_changes_nothing(batch_size, tiny, monkeypatch):
    teacher, data = tiny("bert", 2).double(), encoded(2)
    student = np.random.default_rng(1).normal(size=(EXAMPLES, 2))
    params = ScoreParams(batch_size=batch_size)
    one = stream(teacher, data, student, params, PassOptions(tokens=1))
    two = stream(teacher, data, student, params, PassOptions(tokens=10**6))
    monkeypatch.setattr(accumulator, "EXAMPLES", 8)  # several windows
    three = stream(teacher, data, student, params, PassOptions(tokens=50))
    for other in (two, three):
        assert_same(other.per_batch, arrays(one.per_batch))
        assert_same(other.per_example, arrays(one.per_example))


def test_the_logits_come_back_in_the_data_s_order(architecture, tiny):
    teacher, data = tiny(architecture, 3), encoded(3)
    found = stream(teacher, data, np.zeros((EXAMPLES, 3)), PARAMS, PassOptions(tokens=40)).logits
    np.testing.assert_allclose(found, predict(teacher, data), atol=1e-5)


def test_the_teacher_is_scored_at_rest_and_left_as_it_was(tiny):
    teacher, data = tiny("bert", 2), encoded(2)
    student = np.random.default_rng(1).normal(size=(EXAMPLES, 2))
    at_rest = stream(teacher, data, student, PARAMS)
    weights = {name: weight.clone() for name, weight in teacher.state_dict().items()}
    teacher.train()
    with torch.no_grad():  # a caller's habit; gradients are asked for all the same
        assert_same(stream(teacher, data, student, PARAMS).per_batch, arrays(at_rest.per_batch))
    assert teacher.training
    assert all(weight.requires_grad for weight in teacher.parameters())
    assert all(weight.grad is None for weight in teacher.parameters())
    assert not any(module._forward_pre_hooks for module in teacher.modules())
    for name, weight in teacher.state_dict().items():
        assert torch.equal(weight, weights[name])


def test_a_student_equal_to_the_teacher_finds_nothing_to_befriend_by_kl(tiny):
    teacher, data = tiny("bert", 2).double(), encoded(2)
    params = PARAMS.model_copy(update={"friendliness": "kl"})
    scores = stream(teacher, data, predict(teacher, data), params).per_batch
    assert scores.neuron_friendliness.max() < 1e-5 * scores.neuron_expressiveness.max()


def test_bfloat16_finds_nearly_the_same_scores(tiny):
    teacher, data = tiny("bert", 2), encoded(2)
    student = np.random.default_rng(1).normal(size=(EXAMPLES, 2))
    exact, rough = (
        stream(teacher, data, student, PARAMS, PassOptions(precision=precision)).per_example
        for precision in ("float32", "bfloat16")
    )
    for one, two in zip(arrays(exact).values(), arrays(rough).values(), strict=True):
        assert np.linalg.norm(one - two) < 0.05 * np.linalg.norm(one)


def test_progress_ends_at_the_last_example_and_a_stop_ends_the_pass(tiny):
    teacher, data, reported = tiny("bert", 2), encoded(2), []
    student = np.zeros((EXAMPLES, 2))
    options = PassOptions(tokens=40, on_progress=lambda done, total: reported.append((done, total)))
    stream(teacher, data, student, PARAMS, options)
    assert reported == sorted(reported)
    assert reported[-1] == (EXAMPLES, EXAMPLES)
    with pytest.raises(Cancelled):
        stream(teacher, data, student, PARAMS, PassOptions(should_stop=lambda: True))
    with pytest.raises(Cancelled):
        in_memory(teacher, data, PassOptions(should_stop=lambda: True))
    assert not any(module._forward_pre_hooks for module in teacher.modules())


def test_a_teacher_that_has_diverged_is_refused(tiny):
    teacher, data = tiny("bert", 2), encoded(2)
    with torch.no_grad():
        teacher.bert.encoder.layer[0].output.dense.weight[0, 0] = float("nan")
    with pytest.raises(BadInput, match="NaN"):
        stream(teacher, data, np.zeros((EXAMPLES, 2)), PARAMS)
    with pytest.raises(BadInput, match="NaN"):
        in_memory(teacher, data)


def test_models_that_do_not_fit_are_refused_before_anything_is_computed(tiny):
    teacher, data = tiny("bert", 3), encoded(3)
    never = PassOptions(on_progress=lambda done, total: pytest.fail("computed"))
    with pytest.raises(Incompatible, match="classes"):
        stream(teacher, data, np.zeros((EXAMPLES, 2)), PARAMS, never)
    with pytest.raises(BadInput, match="label"):
        stream(teacher, encoded(5), np.zeros((EXAMPLES, 3)), PARAMS, never)
    uneven = Mask.full(GRID)
    uneven.heads[0, 0] = False
    with pytest.raises(Incompatible, match="pruned"):
        stream(prune(teacher, uneven), data, np.zeros((EXAMPLES, 3)), PARAMS, never)


def test_magnitude_is_the_norm_of_a_unit_s_weights(architecture, tiny):
    teacher = tiny(architecture, 2)
    heads, neurons = magnitude.rank(teacher)
    assert (heads.shape, neurons.shape) == ((2, 3), (2, 20))
    layer = architectures.layers(teacher)[1]
    columns = slice(2 * 8, 3 * 8)  # the third head
    parts = [part.weight[columns] for part in (layer.query, layer.key, layer.value)]
    parts.append(layer.head_site.weight[:, columns])
    expected = torch.cat([part.flatten() for part in parts]).norm()
    np.testing.assert_allclose(heads[1, 2], expected.item(), rtol=1e-5)
    parts = [layer.expansion.weight[7], layer.neuron_site.weight[:, 7]]
    np.testing.assert_allclose(neurons[1, 7], torch.cat(parts).norm().item(), rtol=1e-5)
    assert decide(heads, neurons, 0.5).shape == GRID


@pytest.mark.parametrize(
    ("classes", "friendliness"), [(2, "soft_ce"), (3, "kl"), (5, "soft_ce"), (5, "kl")]
)
def test_scores_of_several_labels_equal_a_slow_reference_loop(classes, friendliness, tiny):
    teacher = tiny("bert", classes, problem_type="multi_label_classification").double()
    flags = np.random.default_rng(2).integers(0, 2, (EXAMPLES, classes)).astype(np.float64)
    data = encoded(classes).with_labels(flags)
    student = np.random.default_rng(1).normal(size=(EXAMPLES, classes))
    kept = in_memory(teacher, data)
    given = PARAMS.model_copy(update={"friendliness": friendliness})
    for aggregate, scores in both(stream(teacher, data, student, given)):
        params = given.model_copy(update={"aggregate": aggregate})
        expected = reference(teacher, data, student, params)
        assert_same(scores, expected)
        assert_same(rescore(kept, student, params), expected)
