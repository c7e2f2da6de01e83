"""Gradients by the logits equal those of torch's own losses; rescoring equals sums by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sparsekd.catalog.stage_parameters import ScoreParams
from sparsekd.errors import BadInput, Incompatible, NotFound, Unavailable
from sparsekd.units import jacobians
from sparsekd.units.jacobians import Jacobian, jacobian_bytes
from sparsekd.units.rescoring import directions, logit_gradients, rescore, weights

SHAPE = (2, 3, 5)
UNITS = 16


def drawn(classes: int, examples: int = 11, seed: int = 0) -> tuple[np.ndarray, ...]:
    draws = np.random.default_rng(seed)
    teacher, student = draws.normal(size=(2, examples, classes)) * 2
    labels = draws.integers(0, classes, examples) if classes > 1 else draws.normal(size=examples)
    return teacher, student, labels


def made(classes: int, examples: int = 11) -> tuple[Jacobian, np.ndarray]:
    teacher, student, labels = drawn(classes, examples)
    draws = np.random.default_rng(1)
    values = draws.normal(size=(examples, directions(classes), UNITS)).astype(np.float32)
    return Jacobian(values, teacher, labels, SHAPE, {"teacher": "a"}), student


def distillation_loss(
    t: torch.Tensor, s: torch.Tensor, y: torch.Tensor, params: ScoreParams
) -> torch.Tensor:
    """METHODS §1.3, as it stands there, summed over the examples."""
    if t.shape[1] == 1:
        return 0.5 * (((s - t) ** 2).sum() + ((s[:, 0] - y) ** 2).sum())
    T = params.temperature
    p, log_q = torch.softmax(t / T, 1), torch.log_softmax(s / T, 1)
    if params.friendliness == "kl":
        soft = F.kl_div(log_q, p, reduction="sum")
    else:
        soft = F.cross_entropy(s / T, p, reduction="sum")
    return 0.5 * (T**2 * soft + F.cross_entropy(s, y, reduction="sum"))


@pytest.mark.parametrize("classes", [1, 2, 3, 5])
@pytest.mark.parametrize("friendliness", ["soft_ce", "kl"])
@pytest.mark.parametrize("temperature", [1.0, 2.0, 7.5])
def test_gradients_by_the_logits_are_those_of_the_losses(classes, friendliness, temperature):
    params = ScoreParams(friendliness=friendliness, temperature=temperature)
    teacher, student, labels = drawn(classes)
    t = torch.tensor(teacher, requires_grad=True)
    s, y = torch.tensor(student), torch.tensor(labels)
    task = F.cross_entropy(t, y, reduction="sum") if classes > 1 else ((t[:, 0] - y) ** 2).sum()
    (expressiveness,) = torch.autograd.grad(task, t)
    (friendliness,) = torch.autograd.grad(distillation_loss(t, s, y, params), t)
    found = logit_gradients(teacher, student, labels, params)
    np.testing.assert_allclose(found[0], expressiveness, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found[1], friendliness, rtol=1e-9, atol=1e-12)


def test_kl_is_silent_where_student_equals_teacher_and_soft_cross_entropy_is_not():
    teacher, _, labels = drawn(3)
    silent = logit_gradients(teacher, teacher, labels, ScoreParams(friendliness="kl"))[1]
    loud = logit_gradients(teacher, teacher, labels, ScoreParams(friendliness="soft_ce"))[1]
    np.testing.assert_allclose(silent, 0, atol=1e-12)
    assert np.abs(loud).max() > 0.1


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_differences_of_logits_carry_every_gradient(classes):
    teacher, student, labels = drawn(classes)
    gradients = logit_gradients(teacher, student, labels, ScoreParams())
    per_logit = np.random.default_rng(2).normal(size=(len(labels), classes, UNITS))
    whole = np.einsum("lnc,ncu->lnu", gradients, per_logit)
    differences = per_logit[:, :-1] - per_logit[:, -1:]
    np.testing.assert_allclose(
        np.einsum("lnk,nku->lnu", weights(gradients), differences), whole, atol=1e-10
    )


@pytest.mark.parametrize("classes", [1, 2, 4])
@pytest.mark.parametrize("batch_size", [1, 4, 11, 500])
def test_per_batch_scores_are_sums_of_magnitudes_of_batch_means(classes, batch_size):
    jacobian, student = made(classes)
    params = ScoreParams(batch_size=batch_size)
    slopes = weights(logit_gradients(jacobian.logits, student, jacobian.labels, params))
    each = np.einsum("lnk,nku->lnu", slopes, jacobian.values)
    starts = range(0, 11, batch_size)
    expected = sum(np.abs(each[:, i : i + batch_size].mean(axis=1)) for i in starts)
    assert_units(rescore(jacobian, student, params), expected)


@pytest.mark.parametrize("classes", [1, 2, 4])
def test_per_example_scores_are_means_of_magnitudes(classes):
    jacobian, student = made(classes, examples=150)  # more than one block of rows
    params = ScoreParams(aggregate="per_example")
    slopes = weights(logit_gradients(jacobian.logits, student, jacobian.labels, params))
    each = np.einsum("lnk,nku->lnu", slopes, jacobian.values)
    assert_units(rescore(jacobian, student, params), np.abs(each).mean(axis=1))


def assert_units(scores, expected: np.ndarray) -> None:
    heads, neurons = np.split(expected, [6], axis=1)
    close = {"rtol": 1e-5, "atol": 1e-6}
    np.testing.assert_allclose(scores.head_expressiveness, heads[0].reshape(2, 3), **close)
    np.testing.assert_allclose(scores.head_friendliness, heads[1].reshape(2, 3), **close)
    np.testing.assert_allclose(scores.neuron_expressiveness, neurons[0].reshape(2, 5), **close)
    np.testing.assert_allclose(scores.neuron_friendliness, neurons[1].reshape(2, 5), **close)


def test_per_example_depends_on_neither_batch_size_nor_order():
    jacobian, student = made(3)
    shuffled = np.random.default_rng(3).permutation(11)
    other = Jacobian(
        jacobian.values[shuffled], jacobian.logits[shuffled], jacobian.labels[shuffled], SHAPE
    )
    one = rescore(jacobian, student, ScoreParams(aggregate="per_example", batch_size=2))
    two = rescore(other, student[shuffled], ScoreParams(aggregate="per_example", batch_size=9))
    np.testing.assert_allclose(one.neuron_friendliness, two.neuron_friendliness, rtol=1e-5)


def test_scores_say_how_they_were_made():
    jacobian, student = made(2)
    made_by = rescore(jacobian, student, ScoreParams(temperature=3.0)).provenance
    said = {"teacher": "a", "temperature": 3.0, "batch_size": 32, "examples": 11, "order": "data"}
    assert said.items() <= made_by.items()


def test_students_of_another_number_of_classes_are_refused():
    teacher, student, labels = drawn(3)
    with pytest.raises(Incompatible, match="classes"):
        logit_gradients(teacher, student[:, :2], labels, ScoreParams())
    with pytest.raises(Incompatible, match="examples"):
        logit_gradients(teacher, student[:5], labels, ScoreParams())


@pytest.mark.parametrize("whose", [0, 1])
def test_logits_that_are_no_numbers_are_refused(whose):
    given = drawn(2)
    given[whose][3, 1] = np.nan
    with pytest.raises(BadInput, match=("teacher", "trial student")[whose]):
        logit_gradients(*given, ScoreParams())


@pytest.mark.parametrize(("classes", "label"), [(2, 2), (2, -1), (3, 0.5), (1, np.inf)])
def test_labels_that_are_no_classes_are_refused(classes, label):
    teacher, student, labels = drawn(classes)
    labels = labels.astype(np.float64)
    labels[4] = label
    with pytest.raises(BadInput, match="label"):
        logit_gradients(teacher, student, labels, ScoreParams())


def build(folder: Path, precision="float32", scale: float = 1.0, classes: int = 3) -> Jacobian:
    """Written in two parts, out of order, as length-sorted batches are."""
    whole, _ = made(classes)
    order = np.random.default_rng(4).permutation(11)

    def fill(into) -> np.ndarray:
        for rows in np.array_split(order, 2):
            into[rows] = whole.values[rows] * scale
        return whole.logits

    return jacobians.build(folder, fill, whole.labels, classes, SHAPE, precision, {"split": "x"})


@pytest.mark.parametrize(("precision", "error"), [("float32", 0), ("float16", 1e-3)])
def test_a_jacobian_comes_back_from_its_folder_as_a_map(tmp_path, precision, error):
    back, (whole, student) = build(tmp_path / "j", precision), made(3)
    assert isinstance(back.values, np.memmap)
    np.testing.assert_allclose(back.values, whole.values, rtol=error, atol=error)
    np.testing.assert_array_equal(back.labels, whole.labels)
    assert back.provenance == {"split": "x"}
    one, two = (rescore(each, student, ScoreParams()) for each in (back, whole))
    np.testing.assert_allclose(
        one.neuron_expressiveness, two.neuron_expressiveness, rtol=10 * error, atol=error
    )


@pytest.mark.parametrize("precision", ["float32", "float16"])
@pytest.mark.parametrize("classes", [1, 2, 4])
def test_the_size_is_known_before_anything_is_computed(tmp_path, precision, classes):
    build(tmp_path / "j", precision, classes=classes)
    header = 128
    expected = jacobian_bytes(11, classes, SHAPE, precision)
    assert (tmp_path / "j" / "jacobian.npy").stat().st_size == expected + header


def test_an_unfinished_folder_counts_as_absent(tmp_path):
    def dies(into) -> np.ndarray:
        raise KeyboardInterrupt

    build(tmp_path / "j")
    with pytest.raises(KeyboardInterrupt):
        jacobians.build(tmp_path / "j", dies, np.zeros(11), 3, SHAPE)
    with pytest.raises(NotFound):
        Jacobian.open(tmp_path / "j")
    with pytest.raises(NotFound):
        Jacobian.open(tmp_path / "never")


def test_damaged_folders_are_refused(tmp_path):
    folder = tmp_path / "j"
    build(folder)
    values = (folder / "jacobian.npy").read_bytes()
    for damaged in (values[:-8], values[:20], b""):
        (folder / "jacobian.npy").write_bytes(damaged)
        with pytest.raises(BadInput, match="damaged"):
            Jacobian.open(folder)
    for text in ("{", "[]", json.dumps({"version": 0})):
        (folder / "meta.json").write_text(text)
        with pytest.raises(BadInput, match=r"again|version|damaged"):
            Jacobian.open(folder)


def test_values_too_large_for_float16_are_refused(tmp_path):
    with pytest.raises(BadInput, match="float16"):
        build(tmp_path / "j", "float16", scale=1e6)
    build(tmp_path / "j", "float32", scale=1e6)


def test_a_jacobian_larger_than_the_disk_is_refused_before_it_is_computed(tmp_path):
    def never(into) -> np.ndarray:
        raise AssertionError

    with pytest.raises(Unavailable, match="free"):
        jacobians.build(tmp_path / "j", never, np.zeros(10**9), 3, (12, 12, 3072))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's always full device")
def test_a_full_disk_is_said_in_words(tmp_path):
    (tmp_path / "jacobian.npy").symlink_to("/dev/full")
    with pytest.raises(Unavailable, match="No space left"):
        build(tmp_path)


# --- several labels --------------------------------------------------------------------------


def several(examples: int = 11) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    teacher, student, _ = drawn(3, examples)
    return teacher, student, np.random.default_rng(2).integers(0, 2, (examples, 3)).astype(float)


@pytest.mark.parametrize("friendliness", ["soft_ce", "kl"])
@pytest.mark.parametrize("temperature", [1.0, 2.0, 7.5])
def test_gradients_of_several_labels_are_those_of_their_losses(friendliness, temperature):
    teacher, student, labels = several()
    t, s = torch.tensor(teacher, requires_grad=True), torch.tensor(student)
    p, q = torch.sigmoid(t / temperature), torch.sigmoid(s / temperature)
    soft = F.binary_cross_entropy(q, p, reduction="none")
    if friendliness == "kl":
        soft = soft - F.binary_cross_entropy(p, p, reduction="none")
    task = F.binary_cross_entropy_with_logits(t, torch.tensor(labels), reduction="none")
    (expressive,) = torch.autograd.grad(task.mean(1).sum(), t)
    (friendly,) = torch.autograd.grad(0.5 * temperature**2 * soft.mean(1).sum(), t)
    params = ScoreParams(friendliness=friendliness, temperature=temperature)
    found = logit_gradients(teacher, student, labels, params)
    np.testing.assert_allclose(found[0], expressive, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(found[1], friendly, rtol=1e-8, atol=1e-10)


def test_every_logit_of_several_labels_is_a_direction(tmp_path: Path):
    teacher, student, labels = several()
    values = np.random.default_rng(1).normal(size=(11, 3, UNITS)).astype(np.float32)

    def fill(rows):
        rows[np.arange(11)] = values
        return teacher

    kept = jacobians.build(tmp_path / "kept", fill, labels, 3, SHAPE)
    assert kept.multilabel
    assert kept.values.nbytes == jacobian_bytes(11, 3, SHAPE, multilabel=True)
    found = rescore(kept, student, ScoreParams(aggregate="per_example"))
    slopes = logit_gradients(teacher, student, labels, ScoreParams())
    by_hand = np.abs(np.einsum("lnk,nku->lnu", slopes, values)).mean(axis=1)
    np.testing.assert_allclose(found.head_expressiveness.ravel(), by_hand[0, :6], rtol=1e-5)
    with pytest.raises(Incompatible, match="does not fit"):
        Jacobian(values[:, :2], teacher, labels, SHAPE)


def test_labels_that_are_neither_0_nor_1_or_of_another_number_are_refused():
    teacher, student, labels = several()
    with pytest.raises(BadInput, match=r"label 2\.0"):
        logit_gradients(teacher, student, np.where(labels > 0, 2, labels), ScoreParams())
    with pytest.raises(Incompatible, match="2 labels do not fit a teacher of 3 outputs"):
        logit_gradients(teacher, student, labels[:, :2], ScoreParams())
