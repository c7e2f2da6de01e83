"""Uploaded files of a task."""

from pathlib import Path

import pytest

from sparsekd.errors import BadInput
from sparsekd.runs import uploads


def test_uploads_are_kept_under_names_of_our_own(home: Path) -> None:
    given = {"train": ("../../evil.CSV", b"a"), "validation": ("v.jsonl", b"b")}

    folder = Path(uploads.keep_uploads(given))

    assert folder.parent == home / "uploads"
    assert sorted(path.name for path in folder.iterdir()) == ["train.csv", "validation.jsonl"]
    assert uploads.keep_uploads(given) == str(folder)


def test_another_format_is_refused_and_nothing_is_written(home: Path) -> None:
    with pytest.raises(BadInput, match="is not parquet"):
        uploads.keep_uploads({"train": ("model.pkl", b"x"), "validation": ("v.csv", b"y")})
    assert not (home / "uploads").exists()


def test_a_file_above_the_limit_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MAX_BYTES", 3)

    with pytest.raises(BadInput, match="train file"):
        uploads.keep_uploads({"train": ("t.csv", b"long"), "validation": ("v.csv", b"y")})
