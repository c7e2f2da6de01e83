"""Groups of texts that are kept."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sparsekd.errors import BadInput
from sparsekd.runs import kept_groups, store
from sparsekd.tasks.groups import text_groups


def frame(last: str = "a very good film") -> pd.DataFrame:
    texts = ["a very good film indeed", "no film at all", last]
    return pd.DataFrame({"text": texts, "label": [1, 0, 1]})


def file_of() -> Path:
    (found,) = (store.home() / "cache" / "groups").iterdir()
    return found


def test_the_second_time_groups_are_read_and_not_found(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = kept_groups.kept_groups(frame())
    monkeypatch.setattr(kept_groups, "text_groups", None)  # calling it would fail
    again = kept_groups.kept_groups(frame())

    direct = text_groups(frame())
    for found in (first, again):
        assert np.array_equal(found.of, direct.of)
        assert np.array_equal(found.common, direct.common)


def test_other_texts_have_groups_of_their_own(home: Path) -> None:
    kept_groups.kept_groups(frame())
    other = kept_groups.kept_groups(frame("something else entirely now"))

    assert np.array_equal(other.of, text_groups(frame("something else entirely now")).of)
    assert len(np.unique(other.of)) == 3


def test_a_damaged_file_is_named(home: Path) -> None:
    kept_groups.kept_groups(frame())
    file_of().write_bytes(b"nothing")

    with pytest.raises(BadInput, match="is damaged"):
        kept_groups.kept_groups(frame())
