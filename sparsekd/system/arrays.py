"""Named arrays in npz files, written atomically and checked when read."""

import math
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from sparsekd.errors import BadInput, NotFound
from sparsekd.system.files import atomic_write, disk_error

Arrays = dict[str, np.ndarray[Any, Any]]

BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, ValueError, NotImplementedError)


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Write named arrays to one npz file atomically.

    Raises:
        Unavailable: the disk is full or read-only, or the folder may not be written.
    """
    atomic_write(path, lambda beside: _write(beside, arrays))


def _write(path: Path, arrays: Arrays) -> None:
    with path.open("wb") as stream:  # numpy would append .npz to a name without it
        np.savez(stream, allow_pickle=False, **arrays)


def load_arrays(
    path: Path, names: tuple[str, ...], expected: str, optional: tuple[str, ...] = ()
) -> Arrays:
    """Read the arrays called `names` from an npz file, and those of `optional` that are there.

    `expected` describes the file in errors.

    Raises:
        NotFound: there is no such file.
        BadInput: it is no npz file, or cut short, or an array is missing.
    """
    if not path.is_file():
        raise NotFound(f"There is no file {path}.", f"Name {expected}.")
    broken = BadInput(f"{path} is no npz file, or is cut short.", f"Name {expected}, whole.")
    try:
        if not zipfile.is_zipfile(path):
            raise broken
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in names if name not in archive.files]
            if missing:
                raise BadInput(f"{path} has no array {', '.join(missing)}.", f"Name {expected}.")
            found = [*names, *(name for name in optional if name in archive.files)]
            if any(_declares_more(path, name) for name in found):
                raise broken
            return {name: archive[name] for name in found}
    except BROKEN as error:
        raise broken from error
    except OSError as error:
        raise disk_error(path, error) from error


def _declares_more(path: Path, name: str) -> bool:
    """Return whether an array's header declares more bytes than are there: memory for nothing."""
    with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
        version = np.lib.format.read_magic(file)
        read = (
            np.lib.format.read_array_header_1_0
            if version == (1, 0)
            else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(file)
        there = archive.getinfo(f"{name}.npy").file_size
    return bool(math.prod(shape) * dtype.itemsize > there)
