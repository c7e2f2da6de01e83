"""Lock files: held by a living process, and released by the kernel however it ends."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sparsekd.errors import BadInput
from sparsekd.system.files import disk_error


@contextmanager
def hold_lock(path: Path, refusal: str) -> Iterator[None]:
    """Hold a lock file; the kernel releases it when this process ends, however it ends.

    Raises:
        BadInput: another process holds it, with `refusal` as message; Unavailable: no such disk.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # `is_locked` takes the lock for an instant: wait that long.
        with FileLock(path, timeout=2.0):
            yield
    except Timeout as error:
        raise BadInput(refusal, "Nothing to do: one is enough.") from error
    except OSError as error:
        raise disk_error(path, error) from error


def is_locked(path: Path) -> bool:
    """Return whether a living process holds this lock file."""
    if not path.exists():
        return False
    try:
        with FileLock(path, timeout=0):
            return False
    except Timeout:
        return True
    except OSError as error:
        raise disk_error(path, error) from error
