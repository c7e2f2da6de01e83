"""Groups of texts, found once for the same texts and kept: on SST-2 that takes seconds."""

import hashlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from sparsekd.errors import BadInput
from sparsekd.runs import store
from sparsekd.system.files import atomic_write
from sparsekd.tasks.groups import CHANCE, GIANT, Groups, text_groups

FORMAT = 1
"""Counted up when `text_groups` finds other groups in the same texts."""


def kept_groups(frame: pd.DataFrame) -> Groups:
    """Return the groups of a frame's texts (columns text and pair), as `text_groups` finds them.

    Raises:
        BadInput: the file that keeps them is damaged.
    """
    path = store.home() / "cache" / "groups" / f"{_digest(frame)}.npz"
    if not path.exists():
        found = text_groups(frame)
        with_arrays = {"of": found.of, "common": found.common}

        def write(beside: Path) -> None:
            with beside.open("wb") as file:
                np.savez_compressed(file, **with_arrays)

        atomic_write(path, write)
        return found
    try:
        with np.load(path) as kept:
            return Groups(kept["of"], kept["common"])
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise BadInput(f"{path} is damaged.", "Delete it; it will be made again.") from error


def _digest(frame: pd.DataFrame) -> str:
    """Return a hash of the texts and of what decides their groups."""
    found = hashlib.sha256(f"{FORMAT} {CHANCE} {GIANT}".encode())
    for name in ("text", "pair"):
        for text in frame.get(name, ()):
            data = text.encode()
            found.update(len(data).to_bytes(8, "little"))
            found.update(data)
        found.update(b"|")
    return found.hexdigest()[:16]
