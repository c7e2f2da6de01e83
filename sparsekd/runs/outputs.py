"""The answers that a finished run keeps: logits and labels of each split."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Outputs = tuple[NDArray[Any], NDArray[Any]]
"""Logits (N, C) and labels (N,), with several labels (N, C)."""


def load_outputs(folder: Path, split: str) -> Outputs | None:
    """Return logits and labels of one split; None where the run has kept none."""
    files = [folder / f"{name}-{split}.npy" for name in ("logits", "labels")]
    if not all(file.exists() for file in files):
        return None
    logits, labels = (np.load(file, allow_pickle=False) for file in files)
    # The sample has them in half precision; what is computed of them is not.
    return np.asarray(logits, np.float32), labels
