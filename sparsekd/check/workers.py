"""Steps in worker processes: two slots at once, a killed run, a run that does not fit in memory.

They share one scene, since loading torch takes longer than the runs: the queue starts two runs
side by side, a worker with little memory fails beside them, and one of the two is killed and
resumed.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sparsekd.catalog.parameters import TrainParams
from sparsekd.check import Difference, NotRun, StepFailed
from sparsekd.check.differences import regime
from sparsekd.check.training import answers, differences
from sparsekd.check.workshop import TRAIN, Workshop, failure, for_device
from sparsekd.runs import jobs, store
from sparsekd.runs.records import UNFINISHED, Recipe, Run, State
from sparsekd.studies import recipes
from sparsekd.system import locks
from sparsekd.tasks.demo import DEMO_CHECKPOINT

PATIENCE = 90.0  # seconds until a worker is given up
QUEUE_PATIENCE = 20.0  # seconds until it is left to end by itself
PAUSE = 0.02
IN_WORKERS, ALONE = 2, 3  # repeats: the runs of this scene, and the same runs undisturbed
EPOCHS = 8  # so that a run can be killed after its first checkpoint
KNOB = "batch_size"
NOWHERE = "by hand"  # no device has this name, so that the queue leaves the run alone


@dataclass(frozen=True)
class Scene:
    """The runs of the scene after their ends.

    Attributes:
        at_once: Whether both runs were seen at work at the same time.
        starved: The run that had too little memory; None where memory cannot be limited.
    """

    killed: Run
    beside: Run
    starved: Run | None
    at_once: bool


def two_slots(shop: Workshop) -> Iterator[Difference]:
    """Train two students side by side on the device, each in a worker of its own."""
    found = scene(shop)
    yield Difference(
        "runs that were not at work at once",
        2.0 * (not found.at_once),
        0.0,
        "each slot has a worker of its own",
    )
    yield from _as_alone(shop, found.beside)


def resumed(shop: Workshop) -> Iterator[Difference]:
    """Resume a run whose worker was killed; it ends as if it never was."""
    yield from _as_alone(shop, scene(shop).killed)


def too_large(shop: Workshop) -> Iterator[Difference]:
    """Start a run that does not fit in memory: it fails alone, and names what to lower."""
    found = scene(shop)
    run = found.starved
    if run is None:
        raise NotRun("this system does not limit a process's memory")
    shop.meter.seconds += run.seconds
    words = f"{run.outcome.message} {run.outcome.hint}"
    if run.state is not State.FAILED or "memory" not in words or KNOB not in words:
        raise StepFailed(
            f"it was to fail for lack of memory, and is {run.state}: {words}", log(run)
        )
    hurt = sum(each.state is not State.DONE for each in (found.killed, found.beside))
    yield Difference("runs beside it that failed", float(hurt), 0.0, "a run fails alone")


def scene(shop: Workshop) -> Scene:
    """Return the scene, played at the first call; if it failed, so does every step of it."""
    if shop.scene is None:
        start = time.monotonic()
        try:
            with shop.meter.measuring():
                shop.scene = _play(shop)
        except StepFailed as error:
            shop.scene = error
        shop.meter.seconds = time.monotonic() - start
    if isinstance(shop.scene, StepFailed):
        raise shop.scene
    found: Scene = shop.scene
    return found


def _play(shop: Workshop) -> Scene:
    train = TRAIN.changed({"epochs": EPOCHS, "patience": EPOCHS})
    first, second = (
        for_device(shop.distillation("vanilla", 1, seed, train=train), IN_WORKERS)
        for seed in (11, 12)
    )
    starving = _starve(shop)
    try:
        jobs.submit([first, second], shop.device)
        at_once = _until(lambda: _states(first, second) == [State.RUNNING] * 2, "start", first)
        checkpoint = store.folder(first.run_id) / "checkpoint.safetensors"
        _until(checkpoint.exists, "save a checkpoint", first)
        _kill(first)
        store.requeue(first.run_id, shop.device)  # as `jobs.resume`; the queue is at work
        _until(lambda: not _unfinished(first, second), "end", first, second)
        starved = _end(starving)
    finally:
        _stop(starving)
    killed, beside = (store.get(each.run_id) for each in (first, second))
    return Scene(killed, beside, starved, at_once)


def _stop(starving: tuple[Recipe, subprocess.Popen[bytes]] | None) -> None:
    """Stop what is still at work, and wait for the queue: the store is about to be deleted."""
    jobs.cancel_all(run for run in store.runs() if run.state in UNFINISHED)
    if starving:
        starving[1].kill()
    end = time.monotonic() + QUEUE_PATIENCE
    while locks.is_locked(jobs.queue_lock()) and time.monotonic() < end:
        time.sleep(PAUSE)


def _starve(shop: Workshop) -> tuple[Recipe, subprocess.Popen[bytes]] | None:
    """Start a worker with little memory on a run that needs more; None where there is no limit."""
    if shop.device == "cpu" and not Path("/proc/self/statm").exists():
        return None
    train = TrainParams(epochs=1, batch_size=512, max_length=128)
    recipe = recipes.finetune(shop.long_card.name, DEMO_CHECKPOINT, train)
    run = store.create(recipe, NOWHERE)
    run.folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "sparsekd.check.starved", recipe.run_id, shop.device]
    with (run.folder / "log.txt").open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=Path(__file__).parents[2]
        )
    return recipe, process


def _end(starving: tuple[Recipe, subprocess.Popen[bytes]] | None) -> Run | None:
    if starving is None:
        return None
    recipe, process = starving
    process.wait(PATIENCE)
    return store.get(recipe.run_id)


def _kill(recipe: Recipe) -> None:
    run = store.get(recipe.run_id)
    if run.state is not State.RUNNING or run.pid is None:
        raise StepFailed(f"the run was {run.state} before it could be killed", log(run))
    os.kill(run.pid, signal.SIGKILL)
    _until(lambda: store.get(recipe.run_id).state is State.INTERRUPTED, "die", recipe)


def _until(reached: Callable[[], bool], what: str, *wanted: Recipe) -> bool:
    """Wait until something is so.

    Raises:
        StepFailed: it takes too long, or a run failed.
    """
    end = time.monotonic() + PATIENCE
    while not reached():
        for run in store.get_many(each.run_id for each in wanted).values():
            if run.state is State.FAILED:
                raise failure(run, log(run))
        if trouble := jobs.queue_error():
            raise StepFailed(str(trouble))
        jobs.start_queue_if_idle()
        if time.monotonic() > end:
            run = store.get(wanted[0].run_id)
            raise StepFailed(f"a run did not {what} within {PATIENCE:.0f} s", log(run))
        time.sleep(PAUSE)
    return True


def _states(*wanted: Recipe) -> list[State]:
    return [store.get(each.run_id).state for each in wanted]


def _unfinished(*wanted: Recipe) -> bool:
    return any(state in UNFINISHED for state in _states(*wanted))


def _as_alone(shop: Workshop, run: Run) -> Iterator[Difference]:
    """Compare a run with the same training undisturbed in this process, on the same device."""
    if run.state is not State.DONE:
        raise failure(run, log(run))
    shop.meter.peak_mib = run.progress.memory_mib
    alone = shop.on_device(for_device(run.recipe, ALONE))
    how = regime(shop.device, training=True)
    yield from differences(answers(run.folder), answers(alone.folder), how)


def log(run: Run) -> str:
    """Return what the worker of a run has written, and the queue."""
    paths = (run.folder / "log.txt", store.home() / "queue.log")
    return "\n".join(path.read_text(encoding="utf-8") for path in paths if path.exists())
