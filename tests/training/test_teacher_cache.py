"""What teachers show is the same whether it was kept or is computed again."""

import numpy as np
import pytest
import torch

from sparsekd.knowledge import observe
from sparsekd.knowledge.observe import INTERNAL_STATES
from sparsekd.models.pruning import prune
from sparsekd.training.teacher_cache import Recall
from sparsekd.units.masking import Mask
from tests.tiny_data import tiny_data

DATA, CPU = tiny_data(20, seed=3), torch.device("cpu")
NEEDS = {
    "cls": (0, 2),
    "hidden": (0, 1, 2),
    "attention": (1, 2),
    "scores": (2,),
    "values": (1, 2),
}
ROWS = np.array([3, 17, 0, 8])


@pytest.fixture(params=["whole", "pruned"])
def teacher(request, tiny, architecture):
    model = tiny(architecture, layers=2, heads=3, neurons=20)
    heads = np.array([[True, True, False], [True, False, False]])
    if request.param == "whole":
        return model
    return prune(model, Mask(heads, np.ones((2, 20), dtype=bool))).eval()


def test_what_is_kept_is_what_the_teacher_shows(teacher):
    recall = Recall(teacher, NEEDS, DATA, CPU, budget=2**30)
    batch = DATA.batch(ROWS)
    kept, shown = recall.view(batch), observe(teacher, batch, NEEDS)
    mask = batch.attention_mask.bool()
    for kind, layers in NEEDS.items():
        for layer in layers:
            real = _real(kind, shown.of(kind)[layer], mask)
            torch.testing.assert_close(kept.of(kind)[layer], real, rtol=2e-3, atol=2e-3)


def _real(kind, seen, mask):
    """What belongs to real tokens; zero elsewhere."""
    shapes = {
        "hidden": mask[:, :, None],
        "values": mask[:, None, :, None],
        "attention": mask[:, None, :, None] & mask[:, None, None],
        "scores": mask[:, None, :, None] & mask[:, None, None],
    }
    return seen * shapes[kind] if kind in shapes else seen


def test_without_room_the_teacher_is_asked_each_time_and_says_the_same(teacher):
    batch = DATA.batch(ROWS)
    kept = Recall(teacher, NEEDS, DATA, CPU, budget=2**30).view(batch)
    asked = Recall(teacher, NEEDS, DATA, CPU, budget=0)
    assert not asked.kept
    again, mask = asked.view(batch), batch.attention_mask.bool()
    for kind, layers in NEEDS.items():
        for layer in layers:
            real = _real(kind, again.of(kind)[layer], mask)
            torch.testing.assert_close(kept.of(kind)[layer], real, rtol=2e-3, atol=2e-3)


def test_the_bytes_are_counted_before_they_are_taken(teacher):
    recall = Recall(teacher, NEEDS, DATA, CPU, budget=2**30)
    assert recall.bytes == sum(each.nbytes for each in recall.kept.values())
    exact = Recall(teacher, NEEDS, DATA, CPU, budget=recall.bytes)
    short = Recall(teacher, NEEDS, DATA, CPU, budget=recall.bytes - 1)
    assert (bool(exact.kept), bool(short.kept)) == (True, False)


def test_every_kind_is_covered_here():
    assert set(NEEDS) == set(INTERNAL_STATES)


def test_progress_is_told_until_all_examples_are_done(tiny):
    heard = []
    Recall(tiny(), {"cls": (1,)}, DATA, CPU, 2**30, lambda done, of: heard.append((done, of)))
    assert heard[-1] == (20, 20)
