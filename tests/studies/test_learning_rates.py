"""Suggested learning rates: the rule by hand, and when it is told."""

from pathlib import Path

import pytest

from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.studies import learning_rates, recipes

TASK = "demo/sentiment"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("layers", "width", "rate"),
    [
        (12, 768, 3e-5),
        (24, 1024, 2e-5),  # 1.6e-5
        (6, 768, 5e-5),  # 4.2e-5
        (6, 384, 1e-4),  # 8.5e-5
        (3, 384, 1e-4),  # 1.2e-4
        (1, 128, 3e-4),  # 6.2e-4: the largest that is usual
    ],
)
def test_smaller_models_take_larger_steps(layers: int, width: int, rate: float) -> None:
    assert learning_rates.suggested(layers, width) == rate


def test_a_chosen_rate_that_is_far_is_told_once_for_each_size() -> None:
    """The demo teacher has 4 layers of width 128, the student one: 3e-4 for both."""
    slow = TrainParams(learning_rate=1e-4)
    teacher = recipes.finetune(TASK, "demo:", slow.changed({"learning_rate": 4e-4}))
    shape, made = StudentParams(layers=1), ("vanilla", teacher.run_id, slow, VanillaParams())
    students = [recipes.distil(TASK, *made, shape, seed=seed) for seed in (0, 1)]
    told = learning_rates.in_words([teacher, *students])
    assert told.startswith(
        "Suggested learning rate for 1 layer of width 128: 3e-4; the chosen 1e-4"
    )
    assert told.count("Suggested") == 1
    everything = learning_rates.in_words([teacher, *students], near=True)
    assert everything.count("Suggested") == 2
    assert "4 layers of width 128: 3e-4. " in everything


def test_a_model_of_unknown_size_and_a_run_that_trains_none_are_left_out() -> None:
    runs = [recipes.finetune(TASK, "hub:nobody/nothing", TrainParams(learning_rate=1))]
    assert learning_rates.in_words(runs, near=True) == ""
