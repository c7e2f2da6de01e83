"""Runs on a real Ray cluster of three nodes, all on this machine, and what befalls them there."""

import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.errors import BadInput, Unavailable
from sparsekd.runs import jobs, references, store
from sparsekd.runs.records import Event, Progress, Recipe, State
from sparsekd.scheduler.executors import Place, ray_connection
from sparsekd.scheduler.executors.ray_cluster import RayExecutor
from sparsekd.studies import recipes
from sparsekd.system import locks
from sparsekd.system.processes import spawn_detached
from tests.workshop import checkpoint_folder, done, task_folder

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
pytest.importorskip("ray", reason='Ray is an optional extra: pip install "ray==2.60.*"')
from ray.cluster_utils import Cluster

PATIENCE = 240.0  # seconds; a quiet machine takes a few
NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}
QUICK = TrainParams(epochs=1, batch_size=32, learning_rate=3e-3, max_length=16, patience=1000)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the nodes have their own stores."""
    return tmp_path_factory.mktemp("scratch")


@pytest.fixture(scope="module")
def cluster(scratch: Path) -> Iterator[Cluster]:
    """Two nodes of one core, and one of none, where the driver is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSEKD_SCRATCH", str(scratch))
        head = NODE | {"num_cpus": 0, "include_dashboard": False}
        made = Cluster(initialize_head=True, head_node_args=head)
        for _ in range(2):
            made.add_node(**NODE)
        yield made
        made.shutdown()


@pytest.fixture
def home(tmp_path: Path, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store whose queue sends its runs to the cluster."""
    monkeypatch.setenv("SPARSEKD_EXECUTOR", "ray")
    monkeypatch.setenv("RAY_ADDRESS", cluster.address)
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a task, and the reference of a checkpoint in another one."""
    place = tmp_path_factory.mktemp("world")
    return task_folder(place / "task"), references.model(str(checkpoint_folder(place / "model")))


def study(world: tuple[Path, str], long: int) -> list[Recipe]:
    """A teacher; its trial student, scores, sparse teacher; a long student of that one."""
    card = references.task(str(world[0]))
    shape = StudentParams(layers=1)
    teacher = recipes.finetune(card.name, world[1], QUICK)

    def student(of: str, train: TrainParams) -> Recipe:
        params = (train, VanillaParams(), shape)
        return recipes.distil(card.name, "vanilla", of, *params, teacher.run_id)

    trial = student(teacher.run_id, QUICK)
    scores = recipes.score(card.name, teacher.run_id, trial.run_id, ScoreParams(), 16)
    mask = MaskParams(sparsity=0.3, lam=0.5)
    sparse = recipes.prune(card.name, teacher.run_id, scores.run_id, mask, 16)
    last = student(sparse.run_id, QUICK.changed({"epochs": long}))
    return [teacher, trial, scores, sparse, last]


def wait(until: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not until():
        if time.monotonic() > deadline:
            log = store.home() / "queue.log"
            pytest.fail(f"{what}: not within {PATIENCE} s. {log.read_text()[-2000:]}")
        time.sleep(0.1)


def states(wanted: list[Recipe]) -> set[State]:
    return {run.state for run in store.get_many(r.run_id for r in wanted).values()}


def over(wanted: list[Recipe]) -> bool:
    return not states(wanted) & {State.QUEUED, State.RUNNING}


def said(runs: list[Recipe]) -> str:
    found = store.get_many(recipe.run_id for recipe in runs).values()
    return "\n".join(f"{r.recipe.stage} {r.state} {r.outcome.message}" for r in found)


def judged(run_id: str) -> list[Event]:
    """What was logged at the end of each epoch; the clock decides when losses are."""
    return [event for event in store.events(run_id) if event.name.startswith("selection/")]


def node_of(run_id: str, cluster: Cluster, scratch: Path) -> Any:
    """The node at which a run is; None where it is at none."""
    places = {node.node_id[:12]: node for node in cluster.worker_nodes}
    at = [lock.parents[2].name.removeprefix("sparsekd-") for lock in workers(run_id, scratch)]
    return next((places[name] for name in at if name in places), None)


def workers(run_id: str, scratch: Path) -> list[Path]:
    """The locks of workers that are at a run, on whatever node."""
    return [lock for lock in scratch.glob(f"*/runs/{run_id}/lock") if locks.is_locked(lock)]


def test_a_node_dies_in_the_middle_and_nothing_is_lost(
    cluster: Cluster,
    scratch: Path,
    home: Path,
    world: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
):
    wanted = study(world, long=120)
    jobs.submit(wanted)
    dying: list[Any] = []

    def at_work() -> bool:
        """Whether the last student has taken its first steps."""
        runs = [run for run in store.running() if run.recipe == wanted[-1] and run.progress.done]
        dying[:] = filter(None, (node_of(run.id, cluster, scratch) for run in runs))
        return bool(dying) or over(wanted)

    wait(at_work, "a student works")
    assert dying, said(wanted)
    cluster.remove_node(dying[0], allow_graceful=False)
    wait(lambda: over(wanted), "the study ends")
    cluster.add_node(**NODE)
    assert states(wanted) == {State.DONE}, said(wanted)
    wait(lambda: not any(workers(r.run_id, scratch) for r in wanted), "the dead node's worker")
    there = {recipe.run_id: store.get(recipe.run_id) for recipe in wanted}
    numbers = {name: judged(name) for name in there}
    monkeypatch.setenv("SPARSEKD_HOME", str(home.parent / "here"))
    references.task(str(world[0]))
    for recipe in wanted:
        here = done(recipe)
        remote = there[here.id]
        assert remote.outcome.metrics == here.outcome.metrics
        assert numbers[here.id] == judged(here.id)
        for file in remote.folder.glob("model/*.safetensors"):
            assert file.read_bytes() == (here.folder / "model" / file.name).read_bytes()


def test_a_run_survives_its_driver_and_is_cancelled_by_the_next_one(
    home: Path,
    scratch: Path,
    world: tuple[Path, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("SPARSEKD_SHARE", (tmp_path / "share").as_uri())
    drivers: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(
        jobs,
        "start_queue",
        lambda: drivers.append(
            spawn_detached("sparsekd.scheduler.run_queue", store.home(), "queue.log")
        ),
    )
    (recipe, *_) = study(world, long=1)
    slow = replace(recipe, params={"train": QUICK.changed({"epochs": 1000}).model_dump()})
    jobs.submit([slow])
    trains = lambda: store.get(slow.run_id).progress.phase.startswith("epoch")  # noqa: E731
    wait(trains, "the run trains")

    drivers[0].kill()
    wait(lambda: store.get(slow.run_id).state is State.INTERRUPTED, "its driver is gone")
    wait(lambda: not workers(slow.run_id, scratch), "its worker stops")
    drivers[0].wait()
    store.report(slow.run_id, Progress())
    jobs.resume(slow.run_id)
    wait(trains, "the run trains again")

    jobs.cancel(slow.run_id)
    wait(lambda: over([slow]), "the run stops")
    run = store.get(slow.run_id)
    assert run.state is State.CANCELLED, run.outcome.message
    assert 0 < run.progress.done < run.progress.total
    assert (run.folder / "checkpoint.safetensors").exists()
    assert not (run.folder / "model").exists()
    assert drivers[1].wait(PATIENCE) == 0


def test_an_address_at_which_nothing_answers_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ray_connection, "TIMEOUT", 1.0)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{server.getsockname()[1]}"
        monkeypatch.setenv("RAY_ADDRESS", address)
        with pytest.raises(Unavailable, match=f"No Ray cluster answers at {address}"):
            RayExecutor()
        server.listen()  # somebody answers now, but nobody who knows Ray
        with pytest.raises(Unavailable, match=f"No Ray cluster answers at {address}"):
            RayExecutor()


@pytest.mark.parametrize("address", ["ray://head:10001", "head", "head:ray"])
def test_an_address_that_is_none_is_refused(address: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(BadInput, match="RAY_ADDRESS is"):
        RayExecutor()


@pytest.mark.parametrize("share", ["0", "-1", "2", "a quarter"])
def test_a_share_of_a_gpu_is_a_number_up_to_one(share: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SPARSEKD_GPU_SHARE", share)
    with pytest.raises(BadInput, match="SPARSEKD_GPU_SHARE"):
        RayExecutor()


def test_places_are_the_cores_of_all_nodes_and_each_gpu_for_as_many_as_share_it(
    cluster: Cluster, home: Path, monkeypatch: pytest.MonkeyPatch
):
    with_gpus = cluster.add_node(**NODE | {"num_cpus": 2, "num_gpus": 2})
    monkeypatch.setenv("SPARSEKD_GPU_SHARE", "0.25")
    executor = RayExecutor()
    try:
        cores = sum(
            int(node["Resources"].get("CPU", 0)) for node in executor.ray.nodes() if node["Alive"]
        )
        assert executor.places() == [Place("cuda:0", 4), Place("cuda:1", 4), Place("cpu", cores)]
        assert cores >= 4
    finally:
        executor.close()
        cluster.remove_node(with_gpus)
