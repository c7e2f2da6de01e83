"""The benchmark of predictions compares equal logits, on texts of mixed lengths too."""

import re

import numpy as np
import pandas as pd

from sparsekd.bench.answering import measure, mixed, padded_loop
from tests.conftest import WORDS, tiny_model, tiny_tokenizer
from tests.workshop import processor_only


def some_texts(rows: int) -> pd.DataFrame:
    drawn = np.random.default_rng(0)
    lengths = drawn.integers(3, 12, rows)
    return pd.DataFrame({"text": [" ".join(drawn.choice(WORDS, n)) for n in lengths]})


def test_every_loop_gives_the_same_logits(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSEKD_HOME", str(processor_only(tmp_path)))
    rows = measure(tiny_model(vocabulary=24), tiny_tokenizer(), some_texts(90), 32, rounds=1)
    assert [row["what"].split(": ")[1].split(" ")[0] for row in rows[:4]] == ["plain", "usual"] * 2
    for row in rows[:4]:
        assert 0 < row["ratio"] < np.inf
        assert float(re.search(r"logits equal to (\S+),", row["note"])[1]) < 1e-4
    assert re.fullmatch(r"[\d.]+ s and [\d.]+ s", rows[4]["note"])


def test_the_plain_loop_pads_to_its_width_and_the_usual_one_to_the_batch():
    model, widths = tiny_model(vocabulary=24), []
    model.register_forward_pre_hook(
        lambda module, args, words: widths.append(words["input_ids"].shape[1]), with_kwargs=True
    )
    texts = pd.DataFrame({"text": ["the film is good"] * 40})
    padded_loop(model, tiny_tokenizer(), texts, 20, True)
    padded_loop(model, tiny_tokenizer(), texts, 20, False)
    assert widths == [20, 20, 6, 6]


def test_mixed_lengths_are_spread_on_a_log_scale():
    """Half of log-uniform lengths from 4 to 64 lie below 16."""
    lengths = mixed(some_texts(2000), 64)["text"].str.split().str.len()
    assert (lengths.min(), lengths.max()) == (4, 63)
    assert 0.46 < (lengths < 16).mean() < 0.54
