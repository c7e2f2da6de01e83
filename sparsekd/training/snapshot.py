"""The state of an unfinished training as one safetensors file: whole or not there, no pickle."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from sparsekd.errors import BadInput, NotFound
from sparsekd.system import files

_FACTS = "sparsekd"


@dataclass(frozen=True)
class Snapshot:
    """Everything a run needs to go on as if it had never stopped.

    `tensors` are the live ones of the training loop: write or copy them before it goes on.
    `facts` are JSON values.
    """

    tensors: dict[str, Tensor]
    facts: dict[str, Any]

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors whose names begin with `name`/, without that beginning."""
        start = f"{name}/"
        return {
            key.removeprefix(start): tensor
            for key, tensor in self.tensors.items()
            if key.startswith(start)
        }


def save(snapshot: Snapshot, path: Path) -> None:
    """Replace the file at `path` in one step; a crash at any moment leaves the old or the new.

    Raises:
        Unavailable: the disk is full or read-only.
    """
    tensors = {key: tensor.detach().contiguous() for key, tensor in snapshot.tensors.items()}
    content = to_bytes(tensors, metadata={_FACTS: json.dumps(snapshot.facts)})
    files.replace(path, lambda beside: _write(beside, content))


def load(path: Path) -> Snapshot:
    """Read what `save` wrote, on the CPU.

    Raises:
        NotFound: there is no such file; BadInput: it is no state of a training.
    """
    hint = "Delete it; the run then starts from the beginning."
    if not path.is_file():
        raise NotFound(f"There is no checkpoint {path}.", "Start the run from the beginning.")
    try:
        with safe_open(path, framework="pt") as content:
            facts = json.loads((content.metadata() or {})[_FACTS])
            return Snapshot({key: content.get_tensor(key) for key in content.keys()}, facts)  # noqa: SIM118
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise BadInput(f"{path} is not the state of a training.", hint) from error


def _write(path: Path, content: bytes) -> None:
    """To the disk itself, so that a power cut after the renaming finds the bytes there."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
