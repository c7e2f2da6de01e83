"""A model at full size with zeros, and as ONNX, gives the gated model's logits."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings

from sparsekd.errors import BadInput, Incompatible
from sparsekd.models import architectures, exporting
from sparsekd.models.pruning import prune
from sparsekd.models.timing import forward_times, full_inputs
from tests.conftest import ARCHITECTURES, tiny_inputs, tiny_model
from tests.models.test_pruning import MODELS, masks


def holed() -> SimpleNamespace:
    """Return a mask with a layer without heads, one without neurons, and gaps elsewhere."""
    rng = np.random.default_rng(1)
    mask = SimpleNamespace(heads=rng.random((3, 3)) < 0.6, neurons=rng.random((3, 20)) < 0.6)
    mask.heads[1], mask.neurons[2] = False, False
    mask.heads[0] = [False, True, True]
    return mask


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
@pytest.mark.parametrize("name", ARCHITECTURES)
@given(mask=masks())
def test_zeros_at_full_size_give_the_gated_logits(name: str, mask: SimpleNamespace) -> None:
    model = MODELS[name]
    expected = exporting.gated_runner(model, mask)(tiny_inputs(model))
    for known in (mask, None):  # in their own places, or those that stayed first
        wide = exporting.widened(prune(model, mask), known)
        assert architectures.shape(wide) == architectures.shape(model)
        found = exporting.runner(wide)(tiny_inputs(model))
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


def test_kept_weights_stay_where_they_were_and_the_others_are_zero(architecture: str) -> None:
    model, mask = tiny_model(architecture, layers=3), holed()
    wide = exporting.widened(prune(model, mask), mask)
    for number, (before, after) in enumerate(
        zip(architectures.layers(model), architectures.layers(wide), strict=True)
    ):
        columns = torch.from_numpy(np.repeat(mask.heads[number], before.head_size))
        neurons = torch.from_numpy(mask.neurons[number])
        for role, kept, axis in [
            ("query", columns, 0),
            ("key", columns, 0),
            ("value", columns, 0),
            ("head_site", columns, 1),
            ("expansion", neurons, 0),
            ("neuron_site", neurons, 1),
        ]:
            old, new = getattr(before, role).weight, getattr(after, role).weight
            spread = kept[:, None] if axis == 0 else kept
            assert torch.equal(new, torch.where(spread, old, 0.0)), (number, role)


def test_a_mask_of_another_pruning_is_refused() -> None:
    model, mask = tiny_model(layers=3), holed()
    other = SimpleNamespace(heads=np.ones((3, 3), bool), neurons=mask.neurons)
    with pytest.raises(Incompatible, match="keeps 3 heads of layer 0, the model has 2"):
        exporting.widened(prune(model, mask), other)


def test_onnx_gives_the_gated_logits_at_any_batch_and_length(tmp_path: Path) -> None:
    """The other architectures: tests/stages/test_export.py."""
    model, mask = tiny_model(layers=3), holed()
    exporting.to_onnx(prune(model, mask), tmp_path / exporting.ONNX)
    assert [each.name for each in tmp_path.iterdir()] == [exporting.ONNX]
    copied = exporting.reopened(tmp_path, "onnx")
    known = exporting.gated_runner(model, mask)
    for examples, tokens in ((1, 1), (7, 2), (2, 60)):
        inputs = exporting.sample_inputs(model, examples, tokens)
        torch.testing.assert_close(copied(inputs), known(inputs), atol=1e-5, rtol=1e-5)
        assert inputs["input_ids"].shape == (examples, tokens)


def test_weights_too_large_for_one_onnx_file_lie_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "ONE_FILE", 100)
    model = tiny_model(layers=1)
    exporting.to_onnx(model, tmp_path / exporting.ONNX)
    assert len(list(tmp_path.iterdir())) == 2
    exporting.compare(model, exporting.runner(model), exporting.reopened(tmp_path, "onnx"))


def test_a_copy_with_a_forgotten_bias_or_unit_is_refused(architecture: str) -> None:
    model, mask = tiny_model(architecture, layers=3), holed()
    known = exporting.gated_runner(model, mask)
    with_bias = exporting.widened(prune(model, mask), mask)
    bias = architectures.layers(model)[1].head_site.bias.data
    architectures.layers(with_bias)[1].head_site.bias.data.copy_(bias)
    one_less = exporting.widened(prune(model, mask), mask)
    kept = int(np.flatnonzero(mask.neurons[0])[0])
    architectures.layers(one_less)[0].neuron_site.weight.data[:, kept] = 0.0
    for wrong in (model, with_bias, one_less):
        with pytest.raises(Incompatible, match="logits differ"):
            exporting.compare(model, known, exporting.runner(wrong))


def test_logits_that_are_not_finite_are_refused() -> None:
    model = tiny_model()

    def broken(inputs: exporting.Inputs) -> torch.Tensor:
        return torch.full((len(inputs["input_ids"]), 2), float("nan"))

    with pytest.raises(Incompatible):
        exporting.compare(model, broken, broken)


def test_sample_texts_are_padded_and_in_two_segments_where_there_are_two(
    architecture: str,
) -> None:
    model = tiny_model(architecture, vocabulary=6)
    inputs = exporting.sample_inputs(model, 40, 12)
    real = inputs["attention_mask"].bool()
    assert set(inputs["input_ids"][real].tolist()) == {1, 2, 3, 4, 5}
    assert set(inputs["input_ids"][~real].tolist()) == {0}
    assert ("token_type_ids" in inputs) == (architecture != "distilbert")


def test_every_variant_is_timed_in_every_round() -> None:
    model, rounds = tiny_model(), []
    spent = forward_times({"one": model, "two": model}, 2, 5, 4, lambda: rounds.append(1))
    assert {name: each.shape for name, each in spent.items()} == {"one": (4,), "two": (4,)}
    assert all((each > 0).all() for each in spent.values())
    assert len(rounds) == 4


def test_texts_to_time_are_as_long_as_asked_and_no_longer_than_can_be_read(
    architecture: str,
) -> None:
    model = tiny_model(architecture)
    most = 63 if architecture == "roberta" else 64  # its first place belongs to the padding
    inputs = full_inputs(model, 2, most)
    assert inputs["input_ids"].shape == (2, most)
    assert inputs["attention_mask"].all()
    model(**inputs)
    with pytest.raises(BadInput, match=f"{most + 1} tokens are more"):
        full_inputs(model, 2, most + 1)
