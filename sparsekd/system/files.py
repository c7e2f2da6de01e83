"""Files written atomically: beside their place, then renamed."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

from sparsekd.errors import Unavailable

HINTS = {
    errno.ENOSPC: "Free some space, or name another folder.",
    errno.EDQUOT: "Free some space of your quota, or name another folder.",
    errno.EROFS: "The disk is read-only: name another folder.",
    errno.EACCES: "Check the folder's rights, or name a folder that you may write to.",
    errno.EPERM: "Check the folder's rights, or name a folder that you may write to.",
}


def atomic_write(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside `path` with `write`, then rename it: `path` is whole, or as it was.

    Raises:
        Unavailable: the disk is full or read-only, or the folder may not be written.
    """
    beside = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(beside)
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise disk_error(path, error) from error


def disk_error(path: Path, error: OSError) -> Unavailable:
    """Return the error for a file or folder that cannot be used."""
    reason = error.strerror or type(error).__name__
    hint = HINTS.get(error.errno or 0, "Check the disk and the folder's rights.")
    return Unavailable(f"{path} cannot be used: {reason}.", hint)


def folder_size(folder: Path) -> int:
    """Return the bytes of all files in a folder; files that vanish meanwhile count nothing."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total
