"""Files of answers as teachers: kept in the store by content, named `answers:<name>#<hash>`.

The copy in the store is what runs read, so that the original may be changed or deleted.
"""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from sparsekd.errors import BadInput, NotFound
from sparsekd.runs import permission, store
from sparsekd.runs.uploads import MAX_BYTES
from sparsekd.system.files import atomic_write, disk_error
from sparsekd.tasks.files import KINDS

PREFIX = "answers:"
_LETTERS = 16


def is_answers(reference: str) -> bool:
    """Return whether a reference is that of a file of answers."""
    return reference.startswith(PREFIX)


def looks_like_answers(text: str) -> bool:
    """Return whether a text names a file that can hold answers, or a kept one."""
    return is_answers(text) or Path(text).suffix.lower().removeprefix(".") in KINDS


def keep(path: Path) -> str:
    """Copy a file of answers to the store, and return its reference.

    Raises:
        NotFound: no such file; BadInput: of another format; Unavailable: it cannot be read.
    """
    if not path.is_file():
        raise NotFound(f"There is no file {path}.", "Name a file of answers.")
    try:
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise disk_error(path, error) from error
    return _kept(path.name, digest, lambda beside: shutil.copyfile(path, beside))


def keep_upload(name: str, content: bytes) -> str:
    """Write an uploaded file of answers to the store, and return its reference.

    Raises:
        BadInput: it is too large, or of an unknown format.
    """
    if len(content) > MAX_BYTES:
        raise BadInput(
            f"{name} has {len(content) / 2**20:.1f} MiB; the limit is {MAX_BYTES >> 20} MiB.",
            "Use the command line: distil --teacher FILE.",
        )
    digest = hashlib.sha256(content).hexdigest()
    return _kept(name, digest, lambda beside: beside.write_bytes(content))


def _kept(name: str, digest: str, write: Callable[[Path], object]) -> str:
    permission.check()
    name = Path(name.replace("#", "-").replace("\\", "/")).name
    if name.rsplit(".", 1)[-1].lower() not in KINDS:
        raise BadInput(f"{name} is not {', '.join(KINDS)}.", "Convert it first.")
    reference = f"{PREFIX}{name}#{digest[:_LETTERS]}"
    kept = store.own_home() / stored_name(reference)
    if not kept.exists():
        atomic_write(kept, write)
    return reference


def stored_name(reference: str) -> str:
    """Return where a file of answers stands in a store, or on the share of a cluster."""
    name, _, digest = reference.removeprefix(PREFIX).rpartition("#")
    return f"outside/answers/{digest}/{name}"


def locate(reference: str) -> Path:
    """Return the kept file.

    Raises:
        NotFound: it is gone.
    """
    path = store.own_home() / stored_name(reference)
    if not path.is_file():
        raise NotFound(f"The answers {path} are gone.", "Name the file again, as a new teacher.")
    return path
