"""A teacher's internal states are the same whether they are cached or computed again."""

import numpy as np
import pytest
import torch

from sparsekd.knowledge import observe
from sparsekd.knowledge.observe import INTERNAL_STATES
from sparsekd.models.pruning import prune
from sparsekd.system import budgets
from sparsekd.training.teacher_cache import TeacherCache
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


def assert_same_states(one, other, mask):
    for state, layers in NEEDS.items():
        for layer in layers:
            real = real_tokens(state, other.of(state)[layer], mask)
            torch.testing.assert_close(one.of(state)[layer], real, rtol=2e-3, atol=2e-3)


def real_tokens(state, values, mask):
    """The values that belong to real tokens; zero elsewhere."""
    masks = {
        "hidden": mask[:, :, None],
        "values": mask[:, None, :, None],
        "attention": mask[:, None, :, None] & mask[:, None, None],
        "scores": mask[:, None, :, None] & mask[:, None, None],
    }
    return values * masks[state] if state in masks else values


def test_the_cached_states_are_those_of_the_teacher(teacher):
    batch = DATA.batch(ROWS)
    cached = TeacherCache(teacher, NEEDS, DATA, CPU, budget=2**30).knowledge(batch)
    assert_same_states(cached, observe(teacher, batch, NEEDS), batch.attention_mask.bool())


def test_over_the_budget_the_states_are_computed_at_each_step_and_are_the_same(teacher):
    batch = DATA.batch(ROWS)
    cached = TeacherCache(teacher, NEEDS, DATA, CPU, budget=2**30).knowledge(batch)
    uncached = TeacherCache(teacher, NEEDS, DATA, CPU, budget=0)
    assert not uncached.cached
    assert_same_states(cached, uncached.knowledge(batch), batch.attention_mask.bool())


def test_states_that_are_not_cached_are_as_exact_inside_a_step_in_bfloat16(teacher):
    batch = DATA.batch(ROWS)
    uncached = TeacherCache(teacher, NEEDS, DATA, CPU, budget=0)
    exact = uncached.knowledge(batch)
    with torch.autocast("cpu", torch.bfloat16):
        inside = uncached.knowledge(batch)
    for state, layers in NEEDS.items():
        for layer in layers:
            assert torch.equal(inside.of(state)[layer], exact.of(state)[layer])


def test_the_bytes_are_counted_before_they_are_taken(teacher):
    cache = TeacherCache(teacher, NEEDS, DATA, CPU, budget=2**30)
    assert cache.bytes == sum(each.nbytes for each in cache.cached.values())
    exact = TeacherCache(teacher, NEEDS, DATA, CPU, budget=cache.bytes)
    short = TeacherCache(teacher, NEEDS, DATA, CPU, budget=cache.bytes - 1)
    assert (bool(exact.cached), bool(short.cached)) == (True, False)


def test_every_internal_state_is_covered_here():
    assert set(NEEDS) == set(INTERNAL_STATES)


def test_progress_is_reported_batch_by_batch_until_all_examples_are_done(tiny, monkeypatch):
    monkeypatch.setitem(budgets.TOKENS, "cpu", 40)
    reported = []
    TeacherCache(tiny(), {"cls": (1,)}, DATA, CPU, 2**30, lambda *pair: reported.append(pair))
    done = [each for each, _ in reported]
    assert len(done) > 2 and done == sorted(set(done))
    assert reported[-1] == (20, 20)
