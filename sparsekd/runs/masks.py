"""Masks kept by their content, so that a recipe can name one that no run has made."""

import hashlib
import io
import zipfile
from pathlib import Path

from sparsekd.errors import BadInput, NotFound
from sparsekd.runs import store
from sparsekd.system.files import replace
from sparsekd.units.masking import Mask

LARGEST = 32 * 2**20  # bytes of a mask's arrays: 96 layers of 300,000 units each
SCHEME = "mask:"


def reference(mask: Mask) -> str:
    """What a recipe calls this mask: the same units, the same name, whoever made it."""
    digest = hashlib.sha256(repr(mask.shape).encode())
    digest.update(mask.heads.tobytes())
    digest.update(mask.neurons.tobytes())
    return f"{SCHEME}{digest.hexdigest()[:16]}"


def keep(mask: Mask) -> str:
    """Put a mask into the store; returns its reference."""
    name = reference(mask)
    path = _path(name)
    if not path.exists():
        mask.save(path)
    return name


def kept(name: str) -> Mask:
    """The mask behind a reference.

    Raises:
        NotFound: its file is gone; BadInput: the file is damaged.
    """
    path = _path(name)
    if not path.exists():
        raise NotFound(f"The mask {name} is gone.", "Choose the mask again and start a new run.")
    return Mask.load(path)


def uploaded(content: bytes) -> Mask:
    """A mask.npz that somebody brought.

    Raises:
        BadInput: too large, no npz file, or no mask in it.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
    except zipfile.BadZipFile as error:
        raise BadInput("This is no npz file.", "Bring a mask.npz written by `mask`.") from error
    if size > LARGEST:
        raise BadInput(
            f"The arrays take {size / 2**20:.0f} MiB; a mask has at most {LARGEST / 2**20:.0f}.",
            "Bring a mask.npz written by `mask`.",
        )
    path = store.home() / "masks" / f"upload-{hashlib.sha256(content).hexdigest()[:16]}.npz"
    try:
        replace(path, lambda beside: beside.write_bytes(content))
        return Mask.load(path)
    finally:
        path.unlink(missing_ok=True)


def _path(name: str) -> Path:
    return store.home() / "masks" / f"{name.removeprefix(SCHEME)}.npz"
