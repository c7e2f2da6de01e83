"""The time from texts to answers, compared with padded loops, and from start to the first one."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from sparsekd.bench import Row
from sparsekd.bench.steps import place
from sparsekd.models import architectures, loading
from sparsekd.models.classifiers import labels_of
from sparsekd.stages.predictions import Predictor

BATCH = 32  # texts of the plain loops
FEW = 64  # texts of the other loops in each round: they are slow
TEXTS = 512  # of ours
SHORTEST = 4  # words
PLAIN_SCRIPT = """
import sys
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1]).eval()
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
with torch.no_grad():
    print(model(**tokenizer(sys.stdin.readline(), return_tensors="pt")).logits.softmax(-1))
"""

Predict = Callable[[pd.DataFrame], np.ndarray]


def measure(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: pd.DataFrame,
    max_length: int,
    rounds: int = 3,
) -> list[Row]:
    """Measure the time per text of each loop in turn, from text to logits; ratios are medians.

    The plain loop takes texts in their order, 32 at a time, padded to `max_length`; the usual one
    pads to the longest of the batch. On a processor its own time counts, which other processes do
    not add to. Two kinds of texts: the task's own, and texts of 4 words up
    to `max_length` joined from them, spread evenly on a log scale.

    Args:
        texts: The columns text, (pair).
    """
    width = min(max_length, architectures.max_tokens(model))
    rows = []
    for what, drawn in (("texts of the task", texts), ("mixed lengths", mixed(texts, width))):
        chosen = drawn.sample(min(len(drawn), rounds * TEXTS), random_state=0)
        rows += _rows(model, tokenizer, chosen, width, rounds, what)
    return [*rows, first_prediction(model, tokenizer, rounds)]


def mixed(texts: pd.DataFrame, longest: int) -> pd.DataFrame:
    """Return texts of the same words, of 4 words up to `longest`, spread evenly on a log scale."""
    drawn = np.random.default_rng(0)
    words = " ".join(texts["text"]).split()
    lengths = np.exp(drawn.uniform(np.log(SHORTEST), np.log(longest), len(texts))).astype(int)
    starts = drawn.integers(0, max(1, len(words) - longest), len(texts))
    joined = [" ".join(words[a : a + n]) for a, n in zip(starts, lengths, strict=True)]
    return pd.DataFrame({"text": joined})


def padded_loop(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: pd.DataFrame,
    width: int,
    to_width: bool,
) -> np.ndarray:
    """Return the logits of a plain loop, padded to `width` or to the longest of each batch.

    Shapes: -> (N, C).
    """
    columns = [texts[name].tolist() for name in texts]
    parts = []
    with torch.no_grad():
        for start in range(0, len(texts), BATCH):
            inputs = tokenizer(
                *(column[start : start + BATCH] for column in columns),
                padding="max_length" if to_width else "longest",
                truncation=True,
                max_length=width,
                return_tensors="pt",
            )
            parts.append(model(**inputs.to(model.device)).logits.float().cpu())
    return torch.cat(parts).numpy()


def _rows(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    texts: pd.DataFrame,
    width: int,
    rounds: int,
    what: str,
) -> list[Row]:
    device = model.device
    ours = Predictor(model, tokenizer, *labels_of(model.config), width, str(device))
    loops: dict[str, Predict] = {
        "plain": lambda part: padded_loop(model, tokenizer, part, width, True),
        "usual": lambda part: padded_loop(model, tokenizer, part, width, False),
        "ours": ours.logits,
    }
    parts = [texts[turn::rounds] for turn in range(rounds)]
    for run in loops.values():
        run(parts[0][:BATCH])  # warm up
    spent: dict[str, list[float]] = {name: [] for name in loops}
    furthest = 0.0
    for part in parts:
        found = {}
        for name, run in loops.items():
            taken = part if name == "ours" else part[:FEW]
            clock = time.process_time if device.type == "cpu" else time.perf_counter
            start = clock()
            found[name] = run(taken)
            spent[name].append((clock() - start) / len(taken))
        few = len(found["plain"])
        furthest = max(furthest, float(np.abs(found["plain"] - found["ours"][:few]).max()))
    speed = 1 / median(spent["ours"])
    note = (
        f"{rounds} rounds of {len(parts[0])} texts, {speed:,.0f} a second; "
        f"logits equal to {furthest:.0e}, {place(device)}"
    )
    pads = {"plain": f"padded to {width}", "usual": "padded to the batch"}
    return [
        {
            "what": f"predict, {what}: {name} loop / ours",
            "ratio": median(a / b for a, b in zip(spent[name], spent["ours"], strict=True)),
            "note": f"{pads[name]}; {note}",
        }
        for name in pads
    ]


def first_prediction(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, rounds: int
) -> Row:
    """Measure the time from the start of a process to its answer for one text.

    The plain one is a script of ten lines with transformers alone.
    """
    with tempfile.TemporaryDirectory() as folder:
        loading.save(model, tokenizer, Path(folder))
        plain = [sys.executable, "-c", PLAIN_SCRIPT, folder]
        ours = [sys.executable, "-m", "sparsekd", "predict", "--model", folder]
        ours += ["--input", "-", "--out", "-", "--device", "cpu"]
        times = [(_seconds(plain), _seconds(ours)) for _ in range(rounds)]
    seconds = [median(column) for column in zip(*times, strict=True)]
    return {
        "what": "from start to the first prediction: plain script / ours",
        "ratio": median(one / other for one, other in times),
        "note": f"{seconds[0]:.1f} s and {seconds[1]:.1f} s",
    }


def _seconds(command: list[str]) -> float:
    """Return the seconds of a process that answers one text."""
    start = time.perf_counter()
    done = subprocess.run(command, input="a film", capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - start
    if command[1] == "-m":
        json.loads(done.stdout)  # one answer, whole
    return seconds
