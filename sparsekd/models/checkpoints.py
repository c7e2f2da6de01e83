"""Checkpoints on disk and on the hub: locate, validate and list them without loading."""

import json
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from huggingface_hub.errors import (
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from safetensors import SafetensorError, safe_open

from sparsekd.catalog import families
from sparsekd.errors import BadInput, NotFound, Unavailable
from sparsekd.system.files import disk_error

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json")
WANTED = [CONFIG, "model*.safetensors", INDEX, "tokenizer*.json", "vocab.*", "merges.txt"]
WANTED += ["special_tokens_map.json", "added_tokens.json"]
PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle")
SECONDS = 5.0
# The hub's client raises its HTTP library's errors, whichever library that is.
NETWORK: tuple[Any, ...] = (OSError, *HfHubHTTPError.__bases__)
CONVERT = (
    "Pickles can run code, so SparseKD reads safetensors only. If you trust the file, load it with "
    "transformers, call save_pretrained, and use that folder."
)


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
    return _cached(reference) or _downloaded(reference)


def check(folder: Path) -> dict[str, Any]:
    """Validate a checkpoint's folder, and return its config.json.

    Raises:
        BadInput: not a checkpoint, or a damaged or pickled one.
        Incompatible: a model family that is not supported.
    """
    if not (folder / CONFIG).is_file():
        raise BadInput(
            f"{folder} is not a checkpoint: {CONFIG} is missing.",
            "Name a folder with config.json, model.safetensors and a tokenizer.",
        )
    config = _json(folder / CONFIG)
    if not isinstance(config.get("model_type"), str):
        raise BadInput(f"{folder / CONFIG} has no model_type.", "Use another checkpoint.")
    families.find(config["model_type"])
    weight_files(folder)
    return config


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of the weights: one, or the shards of the index.

    Raises:
        BadInput: no weights, pickled weights only, or a missing shard.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if not (folder / INDEX).is_file():
        raise _no_weights(folder)
    shards = _json(folder / INDEX).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise BadInput(
            f"{folder / INDEX} lists no files.", "Download or save the checkpoint again."
        )
    files = sorted({folder / Path(str(name)).name for name in shards.values()})
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise BadInput(f"{folder} lacks {', '.join(missing)}.", "Download the checkpoint again.")
    return files


def sizes(folder: Path) -> dict[str, tuple[int, ...]]:
    """Return the name and size of every weight, from the headers alone.

    Raises:
        BadInput: a weights file is damaged or truncated.
    """
    found: dict[str, tuple[int, ...]] = {}
    for file in weight_files(folder):
        try:
            with safe_open(file, framework="pt") as weights:
                for name in weights.keys():  # noqa: SIM118 (no dictionary: it cannot be iterated)
                    found[name] = tuple(weights.get_slice(name).get_shape())
        except SafetensorError as error:
            raise damaged(file) from error
        except OSError as error:
            raise disk_error(file, error) from error
    return found


def damaged(file: Path) -> BadInput:
    """Return the error for weights that cannot be read."""
    return BadInput(
        f"{file} is damaged or truncated.",
        "Download or save the checkpoint again.",
    )


def _is_path(reference: str) -> bool:
    """Return whether a reference can only be a folder: hub ids have at most one slash."""
    return reference.startswith((".", "~", "/")) or "\\" in reference or reference.count("/") > 1


def _cached(reference: str) -> Path | None:
    """Return the folder of a hub id that is in the cache; None where it is incomplete."""
    try:
        found = snapshot_download(reference, allow_patterns=WANTED, local_files_only=True)
    except LocalEntryNotFoundError:
        return None
    except HFValidationError as error:
        raise _no_such(reference) from error
    folder = Path(found)
    whole = (folder / CONFIG).is_file() and any((folder / name).is_file() for name in TOKENIZERS)
    return folder if whole and any(folder.glob("model*.safetensors")) else None


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


def _no_weights(folder: Path) -> BadInput:
    pickles = sorted(file.name for pattern in PICKLES for file in folder.glob(pattern))
    if pickles:
        return BadInput(f"The weights in {folder} are pickled ({pickles[0]}).", CONVERT)
    return BadInput(
        f"{folder} has no {WEIGHTS}.", f"Name a folder with safetensors weights. {CONVERT}"
    )


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise disk_error(file, error) from error
    except ValueError as error:
        raise BadInput(f"{file} is not valid JSON.", "Download the checkpoint again.") from error
    if not isinstance(found, dict):
        raise BadInput(f"{file} is not a JSON object.", "Download the checkpoint again.")
    return found
