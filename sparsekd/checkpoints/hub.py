"""References of checkpoints resolved to folders: local ones, and snapshots of the hub."""

from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)

from sparsekd.checkpoints.files import CONFIG, INDEX
from sparsekd.checkpoints.tokenizer_files import has_tokenizer
from sparsekd.errors import BadInput, NotFound, Unavailable

WANTED = [CONFIG, "model*.safetensors", INDEX, "tokenizer*.json", "vocab.*", "merges.txt"]
WANTED += ["special_tokens_map.json", "added_tokens.json", "*.codes", "*.model"]
SECONDS = 5.0
# The hub's client raises its HTTP library's errors, whichever library that is.
NETWORK: tuple[Any, ...] = (OSError, *HfHubHTTPError.__bases__)


def locate(reference: str) -> Path:
    """Return the folder of a checkpoint: a local one, or a hub id's, downloaded if necessary.

    Raises:
        NotFound: neither a folder nor a public repository.
        Unavailable: the hub does not respond.
    """
    folder = Path(reference).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise BadInput(f"{reference} is a file.", "Name the folder that contains config.json.")
    if _is_path(reference):
        raise NotFound(f"There is no folder {reference}.", "Name a checkpoint's folder or hub id.")
    return cached(reference) or _downloaded(reference)


def cached(reference: str) -> Path | None:
    """Return the folder of a hub id that is in the cache; None where it is incomplete.

    Raises:
        NotFound: no hub id.
    """
    try:
        found = snapshot_download(reference, allow_patterns=WANTED, local_files_only=True)
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise _no_such(reference) from error
    folder = Path(found)
    whole = (folder / CONFIG).is_file() and has_tokenizer(folder)
    return folder if whole and any(folder.glob("model*.safetensors")) else None


def _is_path(reference: str) -> bool:
    """Return whether a reference can only be a folder: hub ids have at most one slash."""
    return reference.startswith((".", "~", "/")) or "\\" in reference or reference.count("/") > 1


def _downloaded(reference: str) -> Path:
    try:
        return Path(snapshot_download(reference, allow_patterns=WANTED, etag_timeout=SECONDS))
    except RepositoryNotFoundError as error:
        raise _no_such(reference) from error
    except NETWORK as error:
        raise Unavailable(
            f"{reference} is neither a local folder nor cached, and the hub does not respond.",
            "Check the name and the connection, or name a local folder.",
        ) from error


def _no_such(reference: str) -> NotFound:
    return NotFound(
        f"There is no checkpoint {reference!r}, here or on the hub.",
        "Check its spelling; download a private or gated one into a local folder first.",
    )
