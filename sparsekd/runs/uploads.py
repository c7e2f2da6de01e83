"""Uploaded tasks: files kept under names of our own, by the hash of their content."""

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from sparsekd.errors import BadInput
from sparsekd.runs import permission, store
from sparsekd.system.files import atomic_write
from sparsekd.tasks import files

MAX_BYTES = 32 << 20
"""Size limit of one uploaded file."""


def keep_uploads(uploads: Mapping[str, tuple[str, bytes]]) -> str:
    """Write the files of a task, by split, and return their folder.

    Args:
        uploads: Original name and content by split; the original name decides the format alone.

    Raises:
        BadInput: a file is too large, or of an unknown format.
    """
    permission.check()
    digest = hashlib.sha256()
    for split, (original, content) in sorted(uploads.items()):
        _check(split, original, content)
        digest.update(f"{split}:{len(content)}:".encode() + content)
    folder = store.own_home() / "uploads" / digest.hexdigest()[:16]
    for split, (original, content) in uploads.items():
        path = folder / f"{split}.{_suffix(original)}"
        if not path.exists():
            atomic_write(path, partial(Path.write_bytes, data=content))
    return str(folder)


def _check(split: str, original: str, content: bytes) -> None:
    if len(content) > MAX_BYTES:
        raise BadInput(
            f"The {split} file has {len(content) / 2**20:.1f} MiB; "
            f"the limit is {MAX_BYTES >> 20} MiB.",
            "Upload a sample of the rows, or name a folder on the server's machine.",
        )
    if _suffix(original) not in files.TASK_KINDS:
        raise BadInput(f"{original} is not {', '.join(files.TASK_KINDS)}.", "Convert it first.")


def _suffix(name: str) -> str:
    """Return the format of a file by its name, with the .gz of a packed one."""
    parts = name.lower().split(".")
    return ".".join(parts[-2:] if parts[-1] == "gz" else parts[-1:])
