"""A store with a task, a teacher, a student and a pruned teacher, and inspectors in processes."""

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import pytest

from sparsekd.catalog.methods.vanilla import VanillaParams
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, StudentParams
from sparsekd.inspector import __main__ as inspector
from sparsekd.inspector import client
from sparsekd.runs import references
from sparsekd.studies import recipes
from tests.workshop import checkpoint_folder, done, task_folder

QUICK = TrainParams(epochs=1, batch_size=64, learning_rate=3e-3, max_length=16)
SECONDS = 180


class Forked:
    """An inspector in a process of its own, forked from the tests', which has loaded torch."""

    def __init__(self, log: Path, *words: str) -> None:
        context = get_context("fork")
        self.process = context.Process(target=self._serve, args=(log, words), daemon=True)
        self.process.start()

    @staticmethod
    def _serve(log: Path, words: tuple[str, ...]) -> None:
        with log.open("ab", buffering=0) as out:
            os.dup2(out.fileno(), 1)
            os.dup2(out.fileno(), 2)
        sys.argv[1:] = words
        sys.exit(inspector.main())

    @property
    def pid(self) -> int | None:
        return self.process.pid

    def poll(self) -> int | None:
        return self.process.exitcode

    def wait(self, seconds: float) -> int | None:
        self.process.join(seconds)
        return self.process.exitcode


def fork_inspectors(patch: pytest.MonkeyPatch) -> None:
    """Let clients start inspectors that need not load torch again, which takes ten seconds."""
    patch.setattr(
        client, "spawn_detached", lambda module, home, log, *words: Forked(home / log, *words)
    )


def pid() -> int:
    """Return the inspector's process id from its published address."""
    return int(json.loads(client.address_path().read_text())["pid"])


def end(sign: signal.Signals = signal.SIGTERM) -> None:
    """Stop this store's inspector, if one runs, and wait until its lock is free."""
    if not client.is_running():
        return
    with suppress(ProcessLookupError):
        os.kill(pid(), sign)
    until = time.monotonic() + SECONDS
    while client.is_running():
        assert time.monotonic() < until, "the inspector does not end"
        time.sleep(0.02)
    client.address_path().unlink(missing_ok=True)  # what a killed one leaves


@pytest.fixture(scope="session")
def inspected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("inspected")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARSEKD_HOME", str(place / "home"))
        card = references.task(str(task_folder(place / "task")))
        checkpoint = references.model(str(checkpoint_folder(place / "checkpoint")))
        teacher = done(recipes.finetune(card.name, checkpoint, QUICK)).id
        student = done(
            recipes.distil(
                card.name, "vanilla", teacher, QUICK, VanillaParams(), StudentParams(layers=1)
            )
        ).id
        params = MaskParams(kind="random", sparsity=0.5, round_to=1)
        pruned = done(recipes.prune(card.name, teacher, "", params, 16, seed=1)).id
        names = {"task": card.name, "teacher": teacher, "student": student, "pruned": pruned}
        (place / "names.json").write_text(json.dumps(names))
        yield place
        end()


@pytest.fixture
def names(inspected: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return task, teacher, student and pruned teacher by role, in a store of their own."""
    monkeypatch.setenv("SPARSEKD_HOME", str(inspected / "home"))
    fork_inspectors(monkeypatch)
    found: dict[str, str] = json.loads((inspected / "names.json").read_text())
    return found
