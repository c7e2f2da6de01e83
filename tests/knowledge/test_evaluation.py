"""One pass over a split gives the logits that a model gives one by one."""

import numpy as np
import pytest
import torch

from sparsekd.data import Encoded
from sparsekd.errors import Cancelled, Incompatible, Unavailable
from sparsekd.knowledge.evaluation import evaluate, predict
from tests.tiny_data import tiny_card, tiny_data


@torch.no_grad()
def one_by_one(model, data):
    rows = [data.batch([row]) for row in range(len(data))]
    return torch.cat([model(**each.inputs(model)).logits for each in rows]).numpy()


@pytest.mark.parametrize(
    ("architecture", "classes"),
    [("bert", 1), ("bert", 2), ("bert", 3), ("roberta", 2), ("distilbert", 3), ("electra", 1)],
)
def test_logits_come_back_in_the_datas_own_order(tiny, architecture, classes):
    model, data = tiny(architecture, labels=classes), tiny_data(300, classes)
    logits = predict(model, data)
    assert (logits.shape, logits.dtype) == ((300, classes), np.float32)
    np.testing.assert_allclose(logits, one_by_one(model, data), rtol=1e-4, atol=1e-5)


def test_longer_texts_in_the_batch_change_nothing(tiny):
    model, short, long = tiny(), tiny_data(10, longest=5), tiny_data(6, shortest=40, longest=50)
    both = Encoded(
        np.concatenate([short.ids, long.ids]),
        np.concatenate([short.segments, long.segments]),
        np.concatenate([short.offsets, short.offsets[-1] + long.offsets[1:]]),
        np.concatenate([short.labels, long.labels]),
    )
    np.testing.assert_allclose(predict(model, both)[:10], predict(model, short), atol=1e-5)
    wide = both.batch(range(16))
    with torch.no_grad():
        padded = model(**wide.inputs(model)).logits[:10].numpy()
    np.testing.assert_allclose(predict(model, short), padded, atol=1e-5)


def test_metrics_are_those_of_the_likeliest_classes(tiny):
    model, data = tiny(labels=3), tiny_data(60, 3)
    metrics, logits = evaluate(model, data, tiny_card(3))
    by_hand = one_by_one(model, data)
    assert metrics["accuracy"] == np.mean(by_hand.argmax(1) == data.labels)
    powers = np.exp(by_hand.astype(np.float64))
    likelihood = powers[np.arange(60), data.labels] / powers.sum(1)
    assert metrics["loss"] == pytest.approx(-np.log(likelihood).mean(), rel=1e-5)
    assert len(logits) == 60


def test_the_models_mode_is_put_back_and_dropout_is_off(tiny):
    model, data = tiny().train(), tiny_data(20)
    np.testing.assert_array_equal(predict(model, data), predict(model, data))
    assert model.training


def test_progress_is_reported_after_each_batch(tiny):
    events, data = [], tiny_data(600)
    predict(tiny(), data, on_progress=events.append)
    assert [event["done"] for event in events] == sorted(event["done"] for event in events)
    assert events[-1]["done"] == events[-1]["total"] == 600
    assert events[-1]["eta"] == 0
    assert len(events) > 1


def test_a_callback_can_end_the_pass(tiny):
    def leave(event):
        raise Cancelled("Enough.")

    model = tiny().train()
    with pytest.raises(Cancelled):
        predict(model, tiny_data(20), on_progress=leave)
    assert model.training


def test_no_examples_give_no_logits(tiny):
    nothing = tiny_data(4).select(np.zeros(0, dtype=np.int64))
    assert predict(tiny(labels=3), nothing).shape == (0, 3)


def test_a_model_of_another_task_is_refused(tiny):
    with pytest.raises(Incompatible):
        evaluate(tiny(labels=3), tiny_data(5, 2), tiny_card(2))


def test_an_out_of_memory_error_names_what_to_lower(tiny):
    model = tiny()
    model.register_forward_pre_hook(lambda *_: torch.empty(2**57) and None)
    with pytest.raises(Unavailable, match="max_length"):
        predict(model, tiny_data(5))
