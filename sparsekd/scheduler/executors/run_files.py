"""The files of a run on the share: which are copied, and which checkpoint is the later one."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

from sparsekd.runs import store
from sparsekd.runs.kept_records import RECORD
from sparsekd.runs.schema import RUN_LOCK
from sparsekd.scheduler.executors.share import Share
from sparsekd.system.files import atomic_write

WHOLE = "whole"  # written last: all files of this folder are there
CHECKPOINT = "checkpoint.safetensors"
NO_CHECKPOINT = -1  # before the first step
NOT_COPIED = {RUN_LOCK, WHOLE}
# What no run starts from; a Jacobian is for rescoring on pages, and may have gigabytes.
NOT_READ = {*NOT_COPIED, CHECKPOINT, RECORD, "log.txt", "jacobian", "export", "findings.parquet"}


class Copier:
    """Copies the files of a run that have changed to the share."""

    def __init__(self, run_id: str, share: Share, skip: Iterable[str] = NOT_COPIED) -> None:
        self.run_id, self.share, self.skip = run_id, share, set(skip)
        self.copied: dict[Path, tuple[int, int]] = {}

    def copy(self) -> int:
        """Copy what has changed since the last copy, and return the bytes."""
        folder, total = store.folder(self.run_id), 0
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            hidden = any(part.startswith(".") for part in name.parts)
            if hidden or name.parts[0] in self.skip or not path.is_file():
                continue
            try:
                facts = path.stat()
                if self.copied.get(path) != (facts.st_mtime_ns, facts.st_size):
                    total += self.share.put(path, f"runs/{self.run_id}/{name.as_posix()}")
                    self.copied[path] = (facts.st_mtime_ns, facts.st_size)
            except FileNotFoundError:  # the worker has just removed it
                continue
        return total

    def deliver(self, whole: bool) -> int:
        """Copy the last files of a run that has ended, and return the bytes.

        `whole` says that the run is done, so that others can start from it.
        """
        total = self.copy()
        if whole:
            self.share.remove(f"runs/{self.run_id}/{CHECKPOINT}")
            self.share.mark(f"runs/{self.run_id}/{WHOLE}")
            mark_whole(store.folder(self.run_id))
        return total


def mark_whole(folder: Path) -> None:
    """Mark a folder of this store as complete."""
    atomic_write(folder / WHOLE, lambda beside: beside.write_text("All files are here.\n"))


def local_step(run_id: str) -> int:
    """Return the step of a run's checkpoint in this store; below 0 without one."""
    path = store.folder(run_id) / CHECKPOINT
    return _step(lambda *ends: _bytes(path, *ends)) if path.exists() else NO_CHECKPOINT


def compare_steps(run_id: str, share: Share) -> int:
    """Return 1 where the checkpoint here is later than the share's, -1 where earlier, else 0."""
    name, ours = f"runs/{run_id}/{CHECKPOINT}", local_step(run_id)
    theirs = _step(lambda *ends: share.part(name, *ends)) if share.has(name) else NO_CHECKPOINT
    return (ours > theirs) - (ours < theirs)


def _bytes(path: Path, start: int, end: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek(start)
        return stream.read(end - start)


def _step(part: Callable[[int, int], bytes]) -> int:
    """Return the step in the header of a checkpoint, which is read without torch."""
    try:
        end = 8 + int.from_bytes(part(0, 8), "little")
        facts = json.loads(json.loads(part(8, end))["__metadata__"]["sparsekd"])
        return int(facts["step"])
    except (ValueError, KeyError, OverflowError):  # damaged: no checkpoint at all
        return NO_CHECKPOINT
