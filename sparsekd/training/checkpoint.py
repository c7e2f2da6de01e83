"""The state of an unfinished training as one safetensors file: atomic, without pickle."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from sparsekd.errors import BadInput, NotFound
from sparsekd.system import files

_FACTS = "sparsekd"


@dataclass(frozen=True)
class Checkpoint:
    """Everything that a training needs to continue as if it had never stopped.

    `tensors` are the live ones of the trainer: write or copy them before its next step.
    `facts` are JSON values.
    """

    tensors: dict[str, Tensor]
    facts: dict[str, Any]

    def part(self, name: str) -> dict[str, Tensor]:
        """Return the tensors whose names start with `name`/, without that prefix."""
        return part(self.tensors, name)

    def save(self, path: Path) -> None:
        """Replace the file at `path` atomically: a crash leaves the old file or the new one.

        Raises:
            Unavailable: the disk is full or read-only.
        """
        tensors = {key: tensor.detach().contiguous() for key, tensor in self.tensors.items()}
        content = to_bytes(tensors, metadata={_FACTS: json.dumps(self.facts)})
        files.atomic_write(path, lambda beside: _write(beside, content))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a saved checkpoint, on the CPU.

        Raises:
            NotFound: there is no such file; BadInput: it is not the state of a training.
        """
        hint = "Delete it; the run then starts from the beginning."
        if not path.is_file():
            raise NotFound(f"There is no checkpoint {path}.", "Start the run from the beginning.")
        try:
            with safe_open(path, framework="pt") as content:
                facts = json.loads((content.metadata() or {})[_FACTS])
                return cls({key: content.get_tensor(key) for key in content.keys()}, facts)  # noqa: SIM118
        except (SafetensorError, KeyError, json.JSONDecodeError) as error:
            raise BadInput(f"{path} is not the state of a training.", hint) from error


def part(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the tensors whose names start with `name`/, without that prefix."""
    prefix = f"{name}/"
    return {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}


def merged(parts: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the tensors of several parts in one mapping, named "part/name"."""
    return {f"{name}/{key}": t for name, tensors in parts.items() for key, t in tensors.items()}


def _write(path: Path, content: bytes) -> None:
    """Write through to the disk: after a power cut the renamed file has its bytes."""
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
