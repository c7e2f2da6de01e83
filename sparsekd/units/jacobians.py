"""The per-example Jacobian of a teacher's logits by its gates: a memory-mapped folder.

A folder holds ``jacobian.npy`` (N, K, U), ``examples.npz`` (logits, labels) and ``meta.json``,
which is written last: without it the folder is unfinished and counts as absent. float32 is
exact; float16 halves the size with an error of 3e-4 of a typical value.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sparsekd.errors import BadInput, Incompatible, NotFound, Unavailable
from sparsekd.system.arrays import load_arrays, save_arrays
from sparsekd.system.files import atomic_write, disk_error

Array = NDArray[Any]
Precision = Literal["float32", "float16"]
VERSION = 1


def directions(classes: int, multilabel: bool = False) -> int:
    """Return the number of logit directions that determine every loss.

    C − 1 differences, at least 1 (regression); with several labels C, each logit by itself.
    """
    return classes if multilabel else max(classes - 1, 1)


class Rows(Protocol):
    """A destination for rows of a Jacobian as they are computed, such as an array."""

    def __setitem__(self, rows: Array, values: Array, /) -> None: ...


@dataclass(frozen=True, eq=False)
class Jacobian:
    """∂ logit direction / ∂ gate for each example, with the logits and labels of the examples.

    Shapes: values (N, K, U), logits (N, C), labels (N,), with several labels (N, C), shape
    (L, H, F); N examples, K = `directions`, U = L·H + L·F.
    Raises:
        Incompatible: sizes that do not belong together.
    """

    values: Array
    logits: Array
    labels: Array
    shape: tuple[int, int, int]
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        layers, heads, neurons = self.shape
        examples, classes = self.logits.shape
        count = directions(classes, self.multilabel)
        expected = (examples, count, layers * (heads + neurons))
        if self.values.shape != expected or len(self.labels) != examples:
            raise Incompatible(
                f"A Jacobian of shape {self.values.shape} with {len(self.labels)} labels does "
                f"not fit; expected {expected}.",
                "Compute it again.",
            )

    @property
    def multilabel(self) -> bool:
        """Whether an example has several labels."""
        return self.labels.ndim == 2

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Map a finished folder; values are read when they are used.

        Raises:
            NotFound: there is none, or it was not finished; BadInput: it is damaged.
        """
        meta = _meta(folder)
        examples = load_arrays(folder / "examples.npz", ("logits", "labels"), "a Jacobian's folder")
        try:
            values = np.load(folder / "jacobian.npy", mmap_mode="r", allow_pickle=False)
        except (ValueError, EOFError, FileNotFoundError) as error:
            raise BadInput(f"The Jacobian in {folder} is damaged.", "Compute it again.") from error
        layers, heads, neurons = meta["shape"]
        return cls(
            values,
            examples["logits"],
            examples["labels"],
            (layers, heads, neurons),
            meta["provenance"],
        )


def jacobian_bytes(
    examples: int,
    classes: int,
    shape: tuple[int, int, int],
    precision: Precision = "float32",
    multilabel: bool = False,
) -> int:
    """Return the bytes on disk of a Jacobian before it is computed (without headers)."""
    layers, heads, neurons = shape
    units = layers * (heads + neurons)
    return examples * directions(classes, multilabel) * units * np.dtype(precision).itemsize


def build(
    folder: Path,
    fill: Callable[[Rows], Array],
    labels: Array,
    classes: int,
    shape: tuple[int, int, int],
    precision: Precision = "float32",
    provenance: dict[str, Any] | None = None,
) -> Jacobian:
    """Write a Jacobian: `fill` writes its rows to its argument and returns the logits.

    Raises:
        Unavailable: the disk is full or read-only; checked before the first row where possible.
        BadInput: a value is too large for float16.
    """
    layers, heads, neurons = shape
    multilabel = labels.ndim == 2
    size = (len(labels), directions(classes, multilabel), layers * (heads + neurons))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "meta.json").unlink(missing_ok=True)
        _check_space(folder, jacobian_bytes(len(labels), classes, shape, precision, multilabel))
        with (folder / "jacobian.npy").open("wb") as stream:
            logits = fill(_FileRows(stream, size, np.dtype(precision)))
    except OSError as error:
        raise disk_error(folder, error) from error
    save_arrays(folder / "examples.npz", {"logits": logits, "labels": labels})
    meta = {"version": VERSION, "shape": shape, "provenance": provenance or {}}
    atomic_write(
        folder / "meta.json", lambda path: path.write_text(json.dumps(meta), encoding="utf-8")
    )
    return Jacobian.open(folder)


class _FileRows:
    """Rows of a .npy file, written in place.

    Not a memory map: on a full disk a map kills the process, a write raises an error.
    """

    def __init__(self, stream: BinaryIO, size: tuple[int, int, int], dtype: np.dtype[Any]) -> None:
        header = {"descr": dtype.str, "fortran_order": False, "shape": size}
        np.lib.format.write_array_header_2_0(stream, header)
        self.stream, self.dtype, self.start = stream, dtype, stream.tell()
        self.row = size[1] * size[2] * dtype.itemsize
        stream.truncate(self.start + size[0] * self.row)

    def __setitem__(self, rows: Array, values: Array, /) -> None:
        if np.abs(values).max(initial=0.0) > np.finfo(self.dtype).max:
            raise BadInput(
                "The Jacobian holds values too large for float16.", "Compute it in float32."
            )
        for row, value in zip(rows.tolist(), values.astype(self.dtype), strict=True):
            self.stream.seek(self.start + row * self.row)
            self.stream.write(value.tobytes())


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise Unavailable(
            f"The Jacobian needs {needed / 1e9:.1f} GB; {folder} has {free / 1e9:.1f} GB free.",
            "Free some space, choose float16 or fewer examples, or score without keeping it.",
        )


def _meta(folder: Path) -> dict[str, Any]:
    path = folder / "meta.json"
    if not path.is_file():
        raise NotFound(f"There is no finished Jacobian in {folder}.", "Compute it first.")
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is damaged.", "Compute the Jacobian again.") from error
    if not isinstance(meta, dict) or meta.get("version") != VERSION:
        raise BadInput(f"{path} is of another version.", "Compute the Jacobian again.")
    return meta
