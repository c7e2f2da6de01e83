"""Uploaded files of a task."""

from pathlib import Path

import pytest

from pages.parts.forms import task_picker
from sparsekd.errors import BadInput


def test_uploads_are_kept_under_our_own_names(home: Path) -> None:
    given = {"train": ("../../evil.CSV", b"a"), "validation": ("v.jsonl", b"b")}

    folder = Path(task_picker.keep(given))

    assert folder.parent == home / "uploads"
    assert sorted(path.name for path in folder.iterdir()) == ["train.csv", "validation.jsonl"]
    assert task_picker.keep(given) == str(folder)


def test_another_kind_of_file_is_refused(home: Path) -> None:
    with pytest.raises(BadInput, match="is not parquet"):
        task_picker.keep({"train": ("model.pkl", b"x"), "validation": ("v.csv", b"y")})
