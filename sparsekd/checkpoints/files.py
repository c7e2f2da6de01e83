"""Files of a checkpoint: their names, and how they are read without loading weights."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from sparsekd.errors import BadInput
from sparsekd.system.files import disk_error

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
AGAIN = "Download or save the checkpoint again."
PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle")
CONVERT = (
    "Pickles can run code, so SparseKD reads safetensors only. If you trust the file, load it with "
    "transformers, call save_pretrained, and use that folder."
)
OTHER_FORMATS = {
    "*.h5": "TensorFlow",
    "*.ckpt.index": "TensorFlow",
    "*.msgpack": "Flax",
    "*.gguf": "GGUF",
    "*.onnx": "ONNX",
    "openvino_model.xml": "OpenVINO",
}
POINTER = b"version https://git-lfs"
OLD_NORMS = {"gamma": "weight", "beta": "bias"}  # of LayerNorm, in checkpoints of TensorFlow


@dataclass(frozen=True)
class Weight:
    """The size and the type of one weight, as a safetensors header states them."""

    shape: tuple[int, ...]
    dtype: str


def read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        BadInput: it is none; Unavailable: it cannot be read.
    """
    check_whole(file)
    try:
        found = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise disk_error(file, error) from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{file} is not valid JSON.", AGAIN) from error
    if not isinstance(found, dict):
        raise BadInput(f"{file} is not a JSON object.", AGAIN)
    return found


def check_whole(file: Path) -> None:
    """Refuse an empty file, and one that only points to where its contents are.

    Raises:
        BadInput: it is either; Unavailable: it cannot be read.
    """
    try:
        with file.open("rb") as stream:
            first = stream.read(len(POINTER))
    except OSError as error:
        raise disk_error(file, error) from error
    if first == POINTER:
        raise BadInput(
            f"{file} is a pointer of Git LFS, not the file itself.",
            "Fetch the file: git lfs pull.",
        )
    if not first:
        raise BadInput(f"{file} is empty.", AGAIN)


def weight_files(folder: Path) -> list[Path]:
    """Return the safetensors files of the weights: one, or the shards of the index.

    Raises:
        BadInput: no weights, weights in another format only, or a missing shard.
    """
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if not (folder / INDEX).is_file():
        raise _no_weights(folder)
    shards = read_json(folder / INDEX).get("weight_map")
    if not isinstance(shards, dict) or not shards:
        raise BadInput(f"{folder / INDEX} lists no files.", AGAIN)
    files = sorted({folder / Path(str(name)).name for name in shards.values()})
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        raise BadInput(f"{folder} lacks {', '.join(missing)}.", "Download the checkpoint again.")
    return files


def headers(folder: Path) -> dict[str, Weight]:
    """Return the size and type of every weight by its present name, from the headers alone.

    Raises:
        BadInput: a weights file is damaged or truncated.
    """
    found: dict[str, Weight] = {}
    for file in weight_files(folder):
        check_whole(file)
        try:
            with safe_open(file, framework="np") as weights:
                for name in weights.keys():  # noqa: SIM118 (no dictionary: it cannot be iterated)
                    one = weights.get_slice(name)
                    found[present_name(name)] = Weight(tuple(one.get_shape()), one.get_dtype())
        except SafetensorError as error:
            raise damaged(file) from error
        except OSError as error:
            raise disk_error(file, error) from error
    return found


def present_name(name: str) -> str:
    """Return what transformers calls a weight today: LayerNorm's had other names."""
    return re.sub(r"(?<=LayerNorm\.)(gamma|beta)$", lambda old: OLD_NORMS[old[1]], name)


def damaged(file: Path) -> BadInput:
    """Return the error for weights that cannot be read."""
    return BadInput(f"{file} is damaged or truncated.", AGAIN)


def _no_weights(folder: Path) -> BadInput:
    pickles = sorted(file.name for pattern in PICKLES for file in folder.glob(pattern))
    if pickles:
        return BadInput(f"The weights in {folder} are pickled ({pickles[0]}).", CONVERT)
    others = sorted(file.name for file in folder.glob("*.safetensors") if file.is_file())
    if others:
        return BadInput(
            f"{folder} has no {WEIGHTS}, but {', '.join(others[:3])}.",
            f"Rename the file of the whole model to {WEIGHTS}; shards need their {INDEX}.",
        )
    for pattern, title in OTHER_FORMATS.items():
        found = sorted(file.name for file in folder.glob(pattern))
        if found:
            return BadInput(
                f"The weights in {folder} are in the format of {title} ({found[0]}).",
                "SparseKD reads safetensors: save the model with save_pretrained from PyTorch.",
            )
    return BadInput(
        f"{folder} has no {WEIGHTS}.", f"Name a folder with safetensors weights. {CONVERT}"
    )
