"""A storm of kills: studies whose queue and workers are killed at random moments, and resumed.

    python -m tests.storm.kills --kills 200

A study of tiny runs is done once undisturbed. Then it is done again and again, in stores of their
own, while random processes of it are killed with SIGKILL; what was interrupted is resumed, as a
user would. At the end of each study its runs must have the same ids and metrics to the last bit,
their folders the same files, and no process may be left. What Python's multiprocessing leaves of a
killed process, an empty folder pymp-… among the temporary files, is counted.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from typing import Any

from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import StudentParams
from sparsekd.runs import jobs, references, store
from sparsekd.runs.records import RESUMABLE, Plan, State
from sparsekd.studies import stark
from tests.workshop import checkpoint_folder, processor_only, task_folder

QUICK = TrainParams(epochs=12, batch_size=16, learning_rate=3e-3, max_length=16, patience=1000)
STALLED = 300.0  # seconds without a kill or a finished run
UNLIKE = ("log.txt", "lock", "record.json")  # what time decides


@dataclass
class Storm:
    """What was done, and what went wrong."""

    kills: int = 0
    studies: int = 0
    faults: list[str] = field(default_factory=list)
    folders: int = 0

    def in_words(self) -> str:
        """Return the figures."""
        return (
            f"{self.kills} kills over {self.studies} studies; {len(self.faults)} faults "
            f"{self.faults[:5] or ''}; {self.folders} folders pymp-… left"
        )


@contextmanager
def at_home(home: Path) -> Iterator[None]:
    """Use a store of its own while the block lasts."""
    before = os.environ.get("SPARSEKD_HOME")
    os.environ["SPARSEKD_HOME"] = str(processor_only(home))
    try:
        yield
    finally:
        os.environ["SPARSEKD_HOME"] = before or ""
        if before is None:
            del os.environ["SPARSEKD_HOME"]


def plan(world: Path) -> Plan:
    """Return a study of two seeds on a tiny task: a teacher, and for each seed its students."""
    card = references.task(str(world / "task"))
    checkpoint = references.model(str(world / "model"))
    shape = StudentParams(layers=1)
    spec = stark.StudySpec(card.name, checkpoint, QUICK, QUICK, shape, seeds=(0, 1))
    return stark.plan(spec)


def processes(home: Path) -> list[int]:
    """Return the processes that work for a store, but this one."""
    wanted, found = f"SPARSEKD_HOME={home}".encode(), []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it has just ended, or is another user's
            if int(path.parent.name) != os.getpid() and wanted in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def finish(asked: Plan, home: Path, chance: random.Random | None, storm: Storm, most: int) -> None:
    """Do a study to its end; with `chance`, kill random processes of it on the way.

    Raises:
        TimeoutError: nothing goes on.
    """
    jobs.submit_plan(asked)
    names = {step.recipe.run_id for step in asked.steps}
    done, since = 0, time.monotonic()
    while True:
        runs = store.get_many(names)
        finished = sum(run.state is State.DONE for run in runs.values())
        if finished == len(names):
            return
        if finished > done:
            done, since = finished, time.monotonic()
        if time.monotonic() - since > STALLED:
            states = sorted(str(run.state) for run in runs.values())
            raise TimeoutError(f"Nothing goes on: {states}")
        alive = processes(home)
        if chance is not None and storm.kills < most and alive:
            time.sleep(chance.uniform(0, 3))
            with suppress(ProcessLookupError):
                os.kill(chance.choice(alive), signal.SIGKILL)
                storm.kills += 1
                since = time.monotonic()
        for run in store.get_many(names).values():
            if run.state is State.FAILED:
                storm.faults.append(f"{run.id} failed: {run.outcome.message}")
            if run.state in RESUMABLE:
                jobs.resume(run.id)
        if not processes(home):
            jobs.start_queue()
        time.sleep(0.2)


def facts(asked: Plan) -> dict[str, Any]:
    """Return what must be the same however a study came to its end: metrics and files."""
    found: dict[str, Any] = {}
    for step in asked.steps:
        run = store.get(step.recipe.run_id)
        files = (path for path in run.folder.rglob("*") if path.is_file())
        kept = sorted(str(p.relative_to(run.folder)) for p in files if p.name not in UNLIKE)
        found[run.id] = (run.outcome.metrics, kept)
    return found


def differences(expected: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """Return the runs that differ, in words."""
    if expected.keys() != found.keys():
        return [f"other runs: {sorted(expected.keys() ^ found.keys())}"]
    return [
        f"{name}: {expected[name]} became {found[name]}"
        for name in expected
        if expected[name] != found[name]
    ]


def quiet(home: Path) -> list[str]:
    """Wait for the processes of a store to end; return those that do not, in words."""
    until = time.monotonic() + 30
    while processes(home) and time.monotonic() < until:
        time.sleep(0.2)
    return [f"process {pid} is left" for pid in processes(home)]


def temporary_folders() -> set[str]:
    """Return the names of multiprocessing's temporary folders."""
    return {path.name for path in Path(tempfile.gettempdir()).glob("pymp-*")}


def rage(kills: int, seed: int, place: Path) -> Storm:
    """Kill processes of study after study, so many times in all."""
    storm, chance = Storm(), random.Random(seed)
    task_folder(place / "task")
    checkpoint_folder(place / "model")
    before = temporary_folders()
    with at_home(place / "calm"):
        asked = plan(place)
        finish(asked, place / "calm", None, storm, 0)
        expected = facts(asked)
    while storm.kills < kills:
        home = place / f"storm-{storm.studies}"
        with at_home(home):
            asked = plan(place)
            try:
                finish(asked, home, chance, storm, kills)
            except TimeoutError as error:
                storm.faults.append(str(error))
            storm.faults += differences(expected, facts(asked)) + quiet(home)
        storm.studies += 1
        sys.stderr.write(f"{storm.in_words()}\n")
        rmtree(home)
    storm.folders = len(temporary_folders() - before)
    return storm


def main() -> int:
    """Print the figures of a storm; return 1 where something went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        found = rage(asked.kills, asked.seed, Path(place))
    sys.stdout.write(f"{found.in_words()}\n")
    return 1 if found.faults else 0


if __name__ == "__main__":
    sys.exit(main())
