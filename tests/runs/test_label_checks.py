"""Gold labels that are not there are missed before a run exists."""

from pathlib import Path

import pytest

from sparsekd.catalog.parameters import TrainParams
from sparsekd.errors import BadInput, Incompatible
from sparsekd.runs import jobs, references, store
from sparsekd.studies import recipes
from tests.workshop import processor_only, task_folder


@pytest.fixture
def task(home: Path, tmp_path: Path) -> str:
    """A task of 170 training texts and 170 of the selection split."""
    processor_only(home)
    return references.task(str(task_folder(tmp_path / "task"))).name


@pytest.mark.parametrize(
    ("train", "words"),
    [
        (
            TrainParams(labelled=500),
            "400 of them would be in the training examples, which",
        ),
        (TrainParams(labelled=1), "leaves 0 labels for the training examples"),
        (TrainParams(labelled=100, train_examples=20), "which have 20 labels"),
    ],
)
def test_more_labels_than_there_are_are_refused_and_no_run_is_stored(
    task: str, train: TrainParams, words: str
) -> None:
    with pytest.raises(BadInput, match=words):
        jobs.submit([recipes.finetune(task, "demo:", train)], "cpu")
    assert not store.runs()


def test_noise_in_labels_that_are_no_classes_is_refused(home: Path) -> None:
    processor_only(home)
    for name in ("demo/aspects", "demo/similarity"):
        wanted = recipes.finetune(name, "demo:", TrainParams(label_noise=0.2))
        with pytest.raises(Incompatible, match="not one class"):
            jobs.submit([wanted], "cpu")


def test_labels_that_are_there_are_queued(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "start_queue", lambda: None)
    train = TrainParams(labelled=50, label_noise=0.2)
    (run,) = jobs.submit([recipes.finetune(task, "demo:", train)], "cpu")
    assert store.queued() == [run]
