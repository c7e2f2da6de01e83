"""The check's own tasks: a few sentences in the demo tasks' words, learned in a few steps."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from sparsekd.tasks.demo.grammars.sentiment import BAD, GOOD, PARTS

ROWS = 256  # of which half becomes the selection split
LONG_ROWS, STATEMENTS = 800, 24  # a training step on most of these takes a GiB


def write_task(folder: Path) -> Path:
    """Write a task whose label is told by the last word: "the plot was witty"."""
    sentences = itertools.product(PARTS, (*GOOD, *BAD))
    rows = [(f"the {part} was {word}", int(word in GOOD)) for part, word in sentences]
    return _write(folder, rows, ROWS)


def write_long_task(folder: Path) -> Path:
    """Write a task of long texts: many statements, the label told by the last one."""
    drawn = np.random.default_rng(0)
    rows = []
    for _ in range(LONG_ROWS + 8):
        words = drawn.choice((*GOOD, *BAD), STATEMENTS)
        parts = drawn.choice(PARTS, STATEMENTS)
        text = " and ".join(f"the {p} was {w}" for p, w in zip(parts, words, strict=True))
        rows.append((text, int(words[-1] in GOOD)))
    return _write(folder, rows, LONG_ROWS)


def _write(folder: Path, rows: list[tuple[str, int]], training: int) -> Path:
    folder.mkdir(parents=True)
    frame = pd.DataFrame(rows, columns=["text", "label"]).sample(frac=1.0, random_state=0)
    frame[:training].to_csv(folder / "train.csv", index=False)
    frame[training:].to_csv(folder / "validation.csv", index=False)
    return folder
