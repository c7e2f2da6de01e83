"""Checks of devices: the last of each, and the one at work."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sparsekd.errors import BadInput
from sparsekd.runs import permission, store
from sparsekd.system import locks
from sparsekd.system.files import atomic_write
from sparsekd.system.processes import spawn_detached

FILE = "device_checks.json"
PROGRESS = "check.json"
LOG = "check.log"
LOCK = "check.lock"
GRACE = 60.0  # seconds that a check may take to begin: torch is loaded first


@dataclass(frozen=True)
class DeviceCheck:
    """One check of a device.

    Attributes:
        device: torch's name for the device; `words` describe it.
        version, torch: The versions of this package and of torch.
        checked: When it ended, in seconds since 1970.
        ok, differ, failed, not_run: How many steps ended in each way.
        rows: One entry per step, as the check shows them.
    """

    device: str
    words: str
    version: str
    torch: str
    checked: float
    ok: int
    differ: int
    failed: int
    not_run: int
    rows: tuple[dict[str, Any], ...] = ()

    @property
    def passed(self) -> bool:
        """Return whether no step failed or differs."""
        return not self.differ and not self.failed


@dataclass(frozen=True)
class CheckProgress:
    """A check that has not ended: its last step, and how many of all are done.

    `alive` is false where its process ended without a result.
    """

    device: str
    done: int = 0
    total: int = 0
    step: str = ""
    alive: bool = True


def log_path() -> Path:
    """Return the log of the checks that `start` has started."""
    return store.own_home() / LOG


def start(device_name: str) -> None:
    """Start a check in a process of its own; it ends at once where another one is at work."""
    permission.check()
    report(store.own_home(), CheckProgress(device_name))
    spawn_detached("sparsekd", store.own_home(), LOG, "check", "--device", device_name)


@contextmanager
def at_work(device_name: str) -> Iterator[Callable[[int, int, str], None]]:
    """Be the one check at work in this store; yield what reports its progress.

    Raises:
        BadInput: another one is at work.
    """
    home = store.own_home()  # the check itself works in another
    with locks.hold_lock(home / LOCK, "A check of a device is at work."):
        report(home, CheckProgress(device_name))
        try:
            yield lambda done, total, step: report(
                home, CheckProgress(device_name, done, total, step)
            )
        finally:
            (home / PROGRESS).unlink(missing_ok=True)


def report(home: Path, progress: CheckProgress) -> None:
    """Write the progress of the check at work."""
    text = json.dumps(asdict(progress))
    atomic_write(home / PROGRESS, lambda beside: beside.write_text(text, encoding="utf-8"))


def progress() -> CheckProgress | None:
    """Return the check that was started and has not ended; None where there is none."""
    path = store.own_home() / PROGRESS
    try:
        found = CheckProgress(**json.loads(path.read_text(encoding="utf-8")))
        young = time.time() - path.stat().st_mtime < GRACE
    except FileNotFoundError:
        return None
    alive = locks.is_locked(store.own_home() / LOCK) or (young and not found.total)
    return replace(found, alive=alive)


def in_words(device_name: str) -> str:
    """Return when a device was checked and with which torch, or that it was not."""
    check = load(device_name)
    if check is None:
        return "not checked yet: run the check"
    wrong = check.differ + check.failed
    found = f": {wrong} of {wrong + check.ok} steps are wrong" if wrong else ""
    when = time.strftime("%d %B %Y", time.localtime(check.checked))
    return f"checked on {when}, torch {check.torch}{found}"


def load(device_name: str) -> DeviceCheck | None:
    """Return the last check of a device; None where it was never checked.

    Raises:
        BadInput: the file is damaged.
    """
    found = _load_all().get(device_name)
    try:
        return None if found is None else DeviceCheck(**found | {"rows": tuple(found["rows"])})
    except (TypeError, KeyError) as error:
        raise _damaged() from error


def save(check: DeviceCheck) -> None:
    """Save a check in place of the last one of the same device."""
    known = _load_all() | {check.device: asdict(check)}
    text = json.dumps(known, indent=1)
    atomic_write(_path(), lambda beside: beside.write_text(text, encoding="utf-8"))


def _load_all() -> dict[str, dict[str, Any]]:
    if not _path().exists():
        return {}
    try:
        found: dict[str, dict[str, Any]] = json.loads(_path().read_text(encoding="utf-8"))
    except ValueError as error:
        raise _damaged() from error
    return found


def _damaged() -> BadInput:
    return BadInput(f"{_path()} is damaged.", "Delete it, and check the devices again.")


def _path() -> Path:
    return store.own_home() / FILE
