"""Runs that train together: each is locked, cancelled and finished on its own."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import nn

from sparsekd.catalog.methods.fine_tuning import FineTuningParams
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.models import stacked
from sparsekd.runs import jobs, references, stacking, store
from sparsekd.runs.records import Recipe, State
from sparsekd.studies import recipes
from sparsekd.worker import work
from tests.workshop import checkpoint_folder, done, task_folder

QUICK = TrainParams(epochs=2, batch_size=32, learning_rate=3e-3, max_length=16)
ENDLESS = QUICK.changed({"epochs": 1000, "patience": 1000})
PATIENCE = 60.0  # seconds


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a task and a teacher without dropout, so that numbers are equal."""
    place = tmp_path_factory.mktemp("together")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSEKD_HOME", str(place / "home"))
        card = references.task(str(task_folder(place / "task")))
        folder = checkpoint_folder(place / "checkpoint")
        config = json.loads((folder / "config.json").read_text())
        config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        (folder / "config.json").write_text(json.dumps(config))
        teacher = done(recipes.finetune(card.name, references.model(str(folder)), QUICK))
    (place / "names.json").write_text(json.dumps([card.name, teacher.id]))
    return place


@pytest.fixture
def recipe(shop: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Recipe]:
    """`recipe(seed, alpha=0.5, train=QUICK)`: a student's; alpha 0 is one without a teacher."""
    monkeypatch.setenv("SPARSEKD_HOME", str(shop / "home"))
    task, teacher = json.loads((shop / "names.json").read_text())

    def of(seed: int, alpha: float = 0.5, train: TrainParams = QUICK) -> Recipe:
        method, params = ("vanilla", VanillaParams(alpha=alpha))
        if not alpha:
            method, params = ("fine_tuning", FineTuningParams())
        shape = StudentParams(layers=1)
        return recipes.distil(task, method, teacher, train, params, shape, seed=seed)

    return of


def submitted(*wanted: Recipe) -> list[str]:
    store.create_all(wanted, "cpu")
    return [each.run_id for each in wanted]


def until(wanted: Callable[[], bool]) -> None:
    """Wait; the assertions afterwards say what is missing."""
    end = time.monotonic() + PATIENCE
    while not wanted() and time.monotonic() < end:
        time.sleep(0.02)


def forget(*names: str) -> None:
    for name in names:
        store.delete(name)


def test_runs_trained_together_have_the_metrics_of_runs_trained_alone(recipe):
    wanted = [recipe(0), recipe(1, 0.9), recipe(2, 0)]
    alone = [done(each) for each in wanted]
    forget(*(run.id for run in alone))
    names = submitted(*wanted)
    work(names, "cpu")
    for before in alone:
        run = store.get(before.id)
        assert run.state is State.DONE, run.outcome.message
        assert run.outcome.facts["together"] == 3 and "together" not in before.outcome.facts
        for split, metrics in before.outcome.metrics.items():
            assert run.outcome.metrics[split] == pytest.approx(metrics, abs=0.02)
            assert run.outcome.metrics[split]["loss"] == pytest.approx(metrics["loss"], abs=1e-3)
        assert run.outcome.facts["best_epoch"] == before.outcome.facts["best_epoch"]
        assert {event.name for event in store.events(run.id)} >= {"selection/accuracy"}
        assert not (run.folder / "checkpoint.safetensors").exists()
        assert not store.is_locked(run.id)
    log = (store.folder(names[1]) / "log.txt").read_text()
    assert f"Trains together with run {names[0]}" in log


def test_one_run_is_cancelled_without_the_others_and_a_bare_signal_cancels_all(recipe):
    names = submitted(*(recipe(seed, train=ENDLESS) for seed in range(3)))
    seen: dict[str, State] = {}

    def states() -> list[State]:
        return [store.get(name).state for name in names]

    def cancel_in_turn() -> None:
        until(lambda: all(store.get(name).progress.phase.startswith("epoch") for name in names))
        jobs.cancel(names[1])
        until(lambda: states()[1] is State.CANCELLED)
        seen.update(zip(names, states(), strict=True))
        jobs.cancel_all([store.get(name) for name in (names[0], names[2])])

    other = threading.Thread(target=cancel_in_turn)
    other.start()
    work(names, "cpu")
    other.join()
    assert list(seen.values()) == [State.RUNNING, State.CANCELLED, State.RUNNING]
    assert states() == [State.CANCELLED] * 3
    assert all((store.folder(name) / "checkpoint.safetensors").exists() for name in names)
    resumed_and_shut_down(names[:2])
    forget(*names)


def resumed_and_shut_down(names: list[str]) -> None:
    """Resume the runs, then signal the process without marking any: all are cancelled."""
    steps = [store.get(name).progress.done for name in names]
    store.requeue_all(names)

    def shut_down() -> None:
        until(
            lambda: all(store.get(n).progress.done > s for n, s in zip(names, steps, strict=True))
        )
        os.kill(os.getpid(), signal.SIGTERM)

    other = threading.Thread(target=shut_down)
    other.start()
    work(names, "cpu")
    other.join()
    for name, step in zip(names, steps, strict=True):
        run = store.get(name)
        assert run.state is State.CANCELLED and run.progress.done > step
        assert len({event.step for event in store.events(name)}) > 1


def test_a_run_that_is_locked_elsewhere_or_cancelled_is_left_out(recipe):
    names = submitted(recipe(10), recipe(11), recipe(12))
    store.request_cancel(names[2])
    with store.hold_lock(names[0]):
        work(names, "cpu")
    states = [store.get(name).state for name in names]
    assert states == [State.QUEUED, State.DONE, State.CANCELLED]
    assert store.get(names[1]).outcome.facts["together"] == 1


def test_one_that_is_refused_fails_alone(recipe):
    good, bad = recipe(20), recipe(21)
    broken = Recipe(**{**vars_of(bad), "inputs": bad.inputs | {"teacher": "folder:/nowhere#0"}})
    names = submitted(good, broken)
    work(names, "cpu")
    assert store.get(names[0]).state is State.DONE
    failed = store.get(names[1])
    assert failed.state is State.FAILED and "/nowhere" in failed.outcome.message


def vars_of(recipe: Recipe) -> dict[str, object]:
    return json.loads(recipe.to_json())


def test_a_missing_common_input_fails_all_runs(recipe):
    first, second = (Recipe(**{**vars_of(recipe(seed)), "task": "no/task"}) for seed in (30, 31))
    names = submitted(first, second)
    work(names, "cpu")
    for name in names:
        run = store.get(name)
        assert run.state is State.FAILED and "no/task" in run.outcome.message
        assert not store.is_locked(name)


def test_students_that_cannot_be_stacked_are_trained_one_by_one_with_the_reason(
    recipe, monkeypatch, capfd
):
    monkeypatch.delitem(stacked.STACKED_LAYERS, nn.LayerNorm)
    names = submitted(recipe(40), recipe(41))
    work(names, "cpu")
    for name in names:
        run = store.get(name)
        assert run.state is State.DONE
        assert run.outcome.facts["together"] == 1
        assert "LayerNorm" in run.outcome.facts["why_alone"]
    assert "Trained one after another" in capfd.readouterr().err


def test_runs_with_other_parameters_are_executed_one_after_another(recipe):
    names = submitted(recipe(50), recipe(50, train=QUICK.changed({"epochs": 1})))
    work(names, "cpu")
    runs = [store.get(name) for name in names]
    assert [run.state for run in runs] == [State.DONE] * 2
    assert not any("together" in run.outcome.facts for run in runs)


def test_students_are_alike_whatever_their_seed_weights_and_teacher(recipe):
    one = recipe(0)
    other_teacher = Recipe(**{**vars_of(one), "inputs": one.inputs | {"teacher": "0123456789ab"}})
    key = stacking.stack_key(one)
    assert key and key == stacking.stack_key(other_teacher)
    assert key == stacking.stack_key(recipe(1, 0.9)) == stacking.stack_key(recipe(2, 0))
    assert key != stacking.stack_key(recipe(0, train=ENDLESS))
    assert stacking.stack_key(Recipe(**{**vars_of(one), "method": "pkd"})) is None
    assert stacking.stack_key(Recipe(**{**vars_of(one), "stage": "finetune"})) is None


def test_what_the_bench_found_decides_for_students_no_wider_than_those_measured(recipe):
    assert stacking.stack_size("cpu", recipe(0)) == 1, "nothing is known yet"
    stacking.save_setting("cpu", stacking.StackSetting(2, 8, {"2 × 8": 900.0, "1 × 1": 300.0}, 128))
    stacking.save_setting("cpu", stacking.StackSetting(2, 1, {"2 × 1": 30.0, "1 × 4": 20.0}, 384))
    assert stacking.load_settings()["cpu"]["together"] == 1, "the last one measured"
    assert stacking.stack_size("cpu", recipe(0)) == 8
    assert stacking.stack_size("cuda:0", recipe(0)) == 1
    shape = store.folder(recipe(0).inputs["init"]) / "shape.json"
    sizes = shape.read_text()
    shape.write_text(json.dumps(json.loads(sizes) | {"hidden": 200}))
    assert stacking.stack_size("cpu", recipe(0)) == 1
    shape.write_text(json.dumps(json.loads(sizes) | {"hidden": 1024}))
    assert stacking.stack_size("cpu", recipe(0)) == 1
    shape.write_text(sizes)
    (store.home() / stacking.FILE).unlink()
