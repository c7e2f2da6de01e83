"""Masks stored by their content, so that a recipe can name one that no run has made."""

import hashlib
import io
import secrets
import zipfile
from pathlib import Path

from sparsekd.errors import BadInput, NotFound
from sparsekd.runs import permission, store
from sparsekd.system.files import atomic_write
from sparsekd.units.masking import Mask

LARGEST = 32 * 2**20  # bytes of a mask's arrays: 96 layers of 300,000 units each
SCHEME = "mask:"


def reference(mask: Mask) -> str:
    """Return the name of a mask in recipes: a hash of its units."""
    digest = hashlib.sha256(repr(mask.shape).encode())
    digest.update(mask.heads.tobytes())
    digest.update(mask.neurons.tobytes())
    return f"{SCHEME}{digest.hexdigest()[:16]}"


def save(mask: Mask) -> str:
    """Store a mask, and return its reference."""
    permission.check()
    name = reference(mask)
    path = _path(name)
    if not path.exists():
        mask.save(path)
    return name


def load(name: str) -> Mask:
    """Return the mask behind a reference.

    Raises:
        NotFound: its file is gone; BadInput: the file is damaged.
    """
    path = _path(name)
    if not path.exists():
        raise NotFound(f"The mask {name} is gone.", "Choose the mask again and start a new run.")
    return Mask.load(path)


def from_upload(content: bytes) -> Mask:
    """Return the mask of an uploaded mask.npz.

    Raises:
        BadInput: too large, no npz file, or no mask in it.
    """
    permission.check()
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
    path = store.own_home() / "masks" / f"upload-{secrets.token_hex(8)}.npz"
    try:
        atomic_write(path, lambda beside: beside.write_bytes(content))
        return Mask.load(path)
    finally:
        path.unlink(missing_ok=True)


def _path(name: str) -> Path:
    return store.own_home() / "masks" / f"{name.removeprefix(SCHEME)}.npz"
