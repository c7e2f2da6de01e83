"""Attribution runs: a file of scores that `fidelity` reads, the same run for the same question."""

from pathlib import Path

import numpy as np
import pytest

from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import AttributeParams
from sparsekd.knowledge import rankings
from sparsekd.runs import references, tables
from sparsekd.runs.records import State
from sparsekd.stages import inputs
from sparsekd.studies import recipes
from sparsekd.units import fidelity
from sparsekd.units.scores import Scores
from tests.workshop import checkpoint_folder, task_folder, worked

QUICK = TrainParams(epochs=1, batch_size=64, learning_rate=3e-3, max_length=16)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """A store with a task and a teacher."""
    place = tmp_path_factory.mktemp("attributed")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSEKD_HOME", str(place / "home"))
        card = references.task(str(task_folder(place / "task")))
        checkpoint = references.model(str(checkpoint_folder(place / "checkpoint")))
        teacher = worked(recipes.finetune(card.name, checkpoint, QUICK))
    return place / "home", card.name, teacher.id


@pytest.fixture
def names(shop: tuple[Path, str, str], monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.setenv("SPARSEKD_HOME", str(shop[0]))
    return shop[1:]


@pytest.mark.parametrize("kind", ["conductance", "gradient_activation"])
def test_a_run_saves_what_the_function_computes(names: tuple[str, str], kind: str):
    task, teacher = names
    params = AttributeParams(kind=kind, examples=20, steps=4)
    run = worked(recipes.attribute(task, teacher, params, 16))
    assert run.state is State.DONE, run.outcome.message
    found = Scores.load(run.folder / "scores.npz")

    card = references.card(task)
    model, tokenizer = inputs.load_classifier(teacher, card)
    data = inputs.Splits(card, tokenizer, 16)["selection"].select(np.arange(20))
    expected = rankings.from_data(model, data, tokenizer, params)
    np.testing.assert_allclose(found.head_expressiveness, expected[0], rtol=1e-5)
    np.testing.assert_allclose(found.neuron_expressiveness, expected[1], rtol=1e-5)
    assert found.provenance["examples"] == run.outcome.facts["examples"] == 20


def test_its_file_is_one_more_ranking(names: tuple[str, str]):
    task, teacher = names
    run = worked(recipes.attribute(task, teacher, AttributeParams(examples=8, steps=2), 16))
    found = fidelity.rankings_of("conductance", Scores.load(run.folder / "scores.npz"))

    assert list(found) == ["conductance"]
    assert tables.title(run.recipe) == f"Conductance of the units of {teacher}"


def test_steps_make_no_other_run_where_there_is_no_path():
    few, many = (AttributeParams(kind="gradient_activation", steps=steps) for steps in (1, 9))
    one, other = (recipes.attribute("demo/sentiment", "abcd", each, 16) for each in (few, many))

    assert one.run_id == other.run_id


def test_an_unknown_split_fails_with_its_name(names: tuple[str, str]):
    task, teacher = names
    run = worked(recipes.attribute(task, teacher, AttributeParams(split="tset"), 16))

    assert run.state is State.FAILED
    assert "no split 'tset'" in run.outcome.message
