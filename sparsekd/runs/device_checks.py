"""The last check of each device: what `sparsekd check` has found there, and when."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sparsekd.errors import BadInput
from sparsekd.runs import store
from sparsekd.system.files import atomic_write

FILE = "device_checks.json"


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
    return store.home() / FILE
