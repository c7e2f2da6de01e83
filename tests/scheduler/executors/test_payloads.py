"""Runs in stores of other machines: what goes there over a share, what comes back, what is lost."""

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from sparsekd.catalog.methods.fine_tuning import FineTuningParams
from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, StudentParams
from sparsekd.errors import BadInput, NotFound, Unavailable
from sparsekd.runs import references, store
from sparsekd.runs.records import Outcome, Recipe, State
from sparsekd.scheduler.executors import node, payloads, run_files
from sparsekd.scheduler.executors.node import RunEnd, RunUpdate, SendUpdates
from sparsekd.scheduler.executors.payloads import Payload
from sparsekd.scheduler.executors.share import Share
from sparsekd.studies import recipes
from tests.workshop import checkpoint_folder, done, task_folder

QUICK = TrainParams(epochs=1, batch_size=32, learning_rate=3e-3, max_length=16, patience=1000)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The driver's store, to which tests come back after each visit elsewhere."""
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "here"))
    return tmp_path / "here"


@pytest.fixture
def share(tmp_path: Path) -> Share:
    """A share that is nobody's store."""
    made = Share((tmp_path / "share").as_uri())
    made.open()
    return made


def teacher(tmp_path: Path, epochs: int = 1) -> Recipe:
    card = references.task(str(task_folder(tmp_path / "task")))
    model = references.model(str(checkpoint_folder(tmp_path / "model")))
    return recipes.finetune(card.name, model, QUICK.changed({"epochs": epochs}))


def ignore(updates: list[RunUpdate]) -> set[str]:
    return set()


def stop_in_training(updates: list[RunUpdate]) -> set[str]:
    """Ask those to stop that have taken their first steps."""
    return {each.run_id for each in updates if each.progress.phase.startswith("epoch")}


def visit(
    payload: Payload,
    share: Share,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    send: SendUpdates = ignore,
) -> dict[str, RunEnd]:
    """Execute the payload's runs on a node with a store of its own."""
    with monkeypatch.context() as patch:
        patch.setenv("SPARSEKD_HOME", str(home))
        return node.execute(payload, share, "cpu", 1, send, home)


def test_a_run_on_a_node_that_knows_nothing_ends_as_it_would_here(
    here: Path, share: Share, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = teacher(tmp_path)
    dense = done(first)
    pruned = recipes.prune(first.task, dense.id, "", MaskParams(kind="random", sparsity=0.3), 16)
    payload = payloads.prepare([store.create(pruned, "cpu")], share)
    for gone in ("task", "model"):  # no other machine has them
        (tmp_path / gone).rename(tmp_path / f"{gone} that was")
    (ended,) = visit(payload, share, tmp_path / "node", monkeypatch).values()
    assert ended.state is State.DONE, ended.outcome.message
    for gone in ("task", "model"):
        (tmp_path / f"{gone} that was").rename(tmp_path / gone)
    payloads.fetch_results(pruned.run_id, share)
    brought = store.folder(pruned.run_id)
    weights = (brought / "model" / "model.safetensors").read_bytes()
    shutil.rmtree(brought)
    mine = done(pruned)
    assert ended.outcome.metrics == mine.outcome.metrics
    assert weights == (mine.folder / "model" / "model.safetensors").read_bytes()


def test_a_file_of_answers_travels_with_the_student_that_learns_from_it(
    here: Path, share: Share, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    card = references.task(str(task_folder(tmp_path / "task")))
    checkpoint = references.model(str(checkpoint_folder(tmp_path / "model")))
    train = pd.read_csv(tmp_path / "task" / "train.csv")
    train.rename(columns={"sentence": "text"}).to_json(
        tmp_path / "answers.jsonl", orient="records", lines=True
    )
    answers = references.teacher(str(tmp_path / "answers.jsonl"), card)
    student, params = StudentParams(layers=1), VanillaParams()
    recipe = recipes.distil(card.name, "vanilla", answers, QUICK, params, student, checkpoint)
    payload = payloads.prepare([store.create(recipe, "cpu")], share)
    for gone in ("task", "model", "answers.jsonl"):  # no other machine has them
        (tmp_path / gone).rename(tmp_path / f"{gone} that was")
    (ended,) = visit(payload, share, tmp_path / "node", monkeypatch).values()
    assert ended.state is State.DONE, ended.outcome.message


def test_a_run_from_outside_any_store_takes_its_model_and_task_along(
    here: Path, share: Share, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = teacher(tmp_path)
    payload = payloads.prepare([store.create(first, "cpu")], share)
    for gone in ("task", "model"):
        (tmp_path / gone).rename(tmp_path / f"{gone} that was")
    (ended,) = visit(payload, share, tmp_path / "node", monkeypatch).values()
    assert ended.state is State.DONE, ended.outcome.message


def test_a_student_without_any_teacher_takes_the_teachers_checkpoint_along(
    here: Path, share: Share, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = done(teacher(tmp_path)).recipe
    shape = StudentParams(choice="pretrained", layers=1)
    params = (QUICK, FineTuningParams(), shape)
    recipe = recipes.distil(first.task, "fine_tuning", first.run_id, *params)
    payload = payloads.prepare([store.create(recipe, "cpu")], share)
    (tmp_path / "model").rename(tmp_path / "model that was")
    (ended,) = visit(payload, share, tmp_path / "node", monkeypatch).values()
    assert ended.state is State.DONE, ended.outcome.message


def test_runs_in_one_parcel_end_each_on_its_own(
    here: Path, share: Share, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    first = teacher(tmp_path)
    card, start = first.task, first.inputs["checkpoint"]
    wanted = [recipes.finetune(card, start, QUICK, seed) for seed in range(2)]
    pruned = recipes.prune(card, wanted[0].run_id, "", MaskParams(kind="random"), 16)
    wanted.append(replace(pruned, params={"mask": {"kind": "by taste"}, "max_length": 16}))
    payload = payloads.prepare([store.create(each, "cpu") for each in wanted], share)
    ended = visit(payload, share, tmp_path / "node", monkeypatch)
    assert [end.state for end in ended.values()] == [State.DONE, State.DONE, State.FAILED]
    assert ended[wanted[0].run_id].outcome.metrics != ended[wanted[1].run_id].outcome.metrics
    assert ended[wanted[2].run_id].outcome.message
    whole = [share.has(f"runs/{name}/{run_files.WHOLE}") for name in ended]
    assert whole == [True, True, False]


def test_another_node_goes_on_from_the_checkpoint_on_the_share(
    here: Path, share: Share, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    slow = teacher(tmp_path, epochs=400)
    payload = payloads.prepare([store.create(slow, "cpu")], share)
    (one,) = visit(payload, share, tmp_path / "one", monkeypatch, stop_in_training).values()
    assert one.state is State.CANCELLED, one.outcome.message
    assert one.last is not None
    stopped = one.last.progress.done
    assert 0 < stopped < one.last.progress.total
    steps: list[int] = []

    def note(updates: list[RunUpdate]) -> set[str]:
        steps.extend(event.step for each in updates for event in each.events)
        return stop_in_training(updates)

    visit(payload, share, tmp_path / "two", monkeypatch, note)
    assert min(steps) > stopped


def test_a_share_that_vanishes_says_so_and_what_was_done_is_delivered_when_it_is_back(
    here: Path, share: Share, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(node, "SHARE_TIMEOUT", 0.0)
    run = store.create(teacher(tmp_path, epochs=2), "cpu")
    payload = payloads.prepare([run], share)
    place = Path(share.root)

    def unmount(updates: list[RunUpdate]) -> set[str]:
        if place.exists():
            place.rename(tmp_path / "away")
        return set()

    (ended,) = visit(payload, share, tmp_path / "node", monkeypatch, unmount).values()
    assert ended.state is State.FAILED
    assert f"The shared folder {share.url} cannot be used" in ended.outcome.message
    assert not ended.outcome.lasting
    with pytest.raises(Unavailable, match="cannot be used"):
        payloads.prepare([run], share)
    assert not place.exists(), "an empty share was made in its place"

    (tmp_path / "away").rename(place)
    model = tmp_path / "node" / "runs" / run.id / "model" / "model.safetensors"
    written = model.stat().st_mtime_ns
    (again,) = visit(payload, share, tmp_path / "node", monkeypatch).values()
    assert again.state is State.DONE, again.outcome.message
    assert again.outcome.metrics
    assert model.stat().st_mtime_ns == written, "it was trained twice"
    assert (place / "runs" / run.id / "model" / "model.safetensors").exists()


def test_a_node_that_cannot_reach_the_share_fails_the_run_at_once(
    here: Path, share: Share, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    payload = payloads.prepare([store.create(teacher(tmp_path), "cpu")], share)
    nowhere = Share((tmp_path / "nowhere").as_uri())
    (ended,) = visit(payload, nowhere, tmp_path / "node", monkeypatch).values()
    assert ended.state is State.FAILED
    assert "nowhere cannot be used" in ended.outcome.message


def test_what_no_run_reads_stays_behind(here: Path, share: Share, tmp_path: Path):
    before = recipes.finetune("demo/sentiment", "demo:", QUICK)
    store.create(before)
    store.finish(before.run_id, State.DONE, Outcome(), 1.0)
    for name in ("model/config.json", "logits-selection.npy", "jacobian/jacobian.npy", "lock"):
        path = store.folder(before.run_id) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    pruned = recipes.prune("demo/sentiment", before.run_id, "", MaskParams(kind="random"), 16)
    payload = payloads.prepare([store.create(pruned)], share)
    assert payload.inputs == [before.run_id]
    assert set(share.names(f"runs/{before.run_id}")) == {
        "model/config.json",
        "logits-selection.npy",
        run_files.WHOLE,
    }


def test_a_deleted_model_folder_is_named_before_anything_is_sent(
    here: Path, share: Share, tmp_path: Path
):
    run = store.create(teacher(tmp_path))
    shutil.rmtree(tmp_path / "model")
    with pytest.raises(NotFound, match="is gone"):
        payloads.prepare([run], share)


def test_an_input_whose_files_are_gone_is_named(here: Path, share: Share):
    before = recipes.finetune("demo/sentiment", "demo:", QUICK)
    store.create(before)
    store.finish(before.run_id, State.DONE, Outcome(), 1.0)
    shutil.rmtree(store.folder(before.run_id))
    pruned = recipes.prune("demo/sentiment", before.run_id, "", MaskParams(kind="random"), 16)
    with pytest.raises(NotFound, match=f"The files of run {before.run_id} are gone"):
        payloads.prepare([store.create(pruned)], share)


def test_a_url_that_no_file_system_knows_is_refused():
    with pytest.raises(BadInput, match="carrier-pigeon"):
        Share("carrier-pigeon://here")
