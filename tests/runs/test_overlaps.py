"""Overlaps are computed once per task, and decide a new folder's selection split."""

from pathlib import Path

import pandas as pd
import pytest

from sparsekd.errors import BadInput
from sparsekd.runs import overlaps, references, store
from sparsekd.tasks import find, summary
from tests.workshop import task_folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPARSEKD_HOME", str(tmp_path / "home"))
    return tmp_path


def phrases(folder: Path, rows: int = 300, common: str = "") -> Path:
    """Sentences with a part of each."""
    folder.mkdir()
    texts = [f"film {n}{common} is long and dull" for n in range(rows // 2)]
    texts += [text.removesuffix(" dull") for text in texts]
    frame = pd.DataFrame({"sentence": texts, "label": [0, 1] * (rows // 2)})
    frame.to_csv(folder / "train.csv", index=False)
    frame[:20].assign(sentence=[f"other {n}" for n in range(20)]).to_csv(
        folder / "validation.csv", index=False
    )
    return folder


def test_a_folder_of_phrases_gets_a_grouped_split_unless_a_plain_one_is_asked_for(home: Path):
    folder = str(phrases(home / "phrases"))
    plain, usual = references.task(folder, groups=""), references.task(folder)
    assert (plain.groups, usual.groups) == ("", "text")
    found = {card.name: overlaps.known(card) for card in (plain, usual)}
    shares = {name: each[0].share if each else None for name, each in found.items()}
    assert shares[usual.name] == 0.0
    assert (shares[plain.name] or 0) > 0.2
    assert references.task(plain.name) == plain
    assert "selection texts stand inside a training text" in overlaps.warning(plain)
    assert overlaps.warning(usual) == ""


def test_a_folder_whose_texts_are_all_one_group_keeps_the_plain_split(home: Path):
    folder = phrases(home / "one")
    frame = pd.read_csv(folder / "train.csv").assign(sentence="the same text again and again")
    frame.to_csv(folder / "train.csv", index=False)
    assert references.task(str(folder)).groups == ""
    with pytest.raises(BadInput, match="groups of the selection split are too large"):
        references.task(str(folder), groups="text")
    assert overlaps.warning(references.task(str(folder))).startswith("100.0% of the selection")


def test_overlaps_are_read_once(home: Path, monkeypatch: pytest.MonkeyPatch):
    card = references.task(str(task_folder(home / "reviews")), groups="")
    first = overlaps.of_task(card)
    monkeypatch.setattr(summary, "read_splits", lambda card: pytest.fail("read again"))
    assert overlaps.of_task(card) == first


def test_a_hub_task_has_none_before_its_data_was_read():
    card = find("glue/sst2")
    assert overlaps.of_task(card) is None
    frames = {"train": pd.DataFrame({"text": ["a b"]}), "selection": pd.DataFrame({"text": ["a"]})}
    overlaps.keep(card, frames)
    assert [each.share for each in overlaps.of_task(card) or []] == [1.0]
    assert overlaps.of_task(find("glue/sst2-grouped")) is None


def test_a_damaged_file_is_named(home: Path):
    overlaps.keep(find("glue/sst2"), {"train": pd.DataFrame({"text": ["a"]})})
    path = next((store.home() / "cache" / "overlaps").iterdir())
    path.write_text("{", encoding="utf-8")
    with pytest.raises(BadInput, match="is damaged"):
        overlaps.known(find("glue/sst2"))
