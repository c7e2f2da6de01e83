"""A validation split held out of train where there is no file for it, and test files."""

from pathlib import Path

import pandas as pd
import pytest

from sparsekd.data import load, load_split
from sparsekd.errors import BadInput, NotFound
from sparsekd.tasks import files, local

ROWS = pd.DataFrame(
    {"text": [f"number {n} of forty" for n in range(40)], "label": ["yes", "no", "no", "no"] * 10}
)


def train_only(place: Path, rows: pd.DataFrame = ROWS) -> Path:
    rows.to_csv(place / "train.csv", index=False)
    return place


def test_a_folder_without_validation_is_refused_with_the_share_to_hold_out(tmp_path: Path) -> None:
    with pytest.raises(files.NoValidation, match=r"hold out a share of train: --validation-share"):
        local.inspect(train_only(tmp_path))
    ROWS.to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(files.NoValidation, match=r"or rename test\.csv"):
        local.inspect(tmp_path)


def test_a_share_of_the_labelled_rows_is_drawn_by_class_and_always_the_same(tmp_path: Path) -> None:
    rows = pd.concat([ROWS, pd.DataFrame({"text": ["more", "again"], "label": ["", ""]})])
    card = local.inspect(train_only(tmp_path, rows), validation_share=0.2)
    frames = local.read(card)

    assert frames["validation"]["label"].value_counts().to_dict() == {0: 6, 1: 2}
    assert len(frames["train"]) == 34 and card.unlabelled == 2
    assert not set(frames["train"]["text"]) & set(frames["validation"]["text"])
    assert frames["validation"].equals(local.read(card)["validation"])
    assert card.name != local.inspect(tmp_path, validation_share=0.3).name


def test_rows_are_counted_in_the_file_that_they_stand_in(tmp_path: Path, home: Path) -> None:
    """A file of answers names the rows of train; holding some out does not shift the others."""
    card = local.inspect(train_only(tmp_path), validation_share=0.2)
    for frame in load(card, numbered=True).values():
        assert frame["text"].tolist() == [f"number {row} of forty" for row in frame["row"]]


def test_groups_stay_together_where_a_share_is_held_out(tmp_path: Path) -> None:
    rows = ROWS.assign(writer=[n // 4 for n in range(40)])
    card = local.inspect(train_only(tmp_path, rows), groups="column writer", validation_share=0.2)
    frames = local.read(card)

    writers = [{int(text.split()[1]) // 4 for text in frames[name]["text"]} for name in frames]
    assert not writers[0] & writers[1] and len(frames["validation"]) == 8


def test_unlabelled_texts_that_are_held_out_are_refused(tmp_path: Path) -> None:
    ROWS[["text"]].to_csv(tmp_path / "unlabelled.csv", index=False)
    with pytest.raises(BadInput, match="8 of 8 validation texts are also in the unlabelled file"):
        local.inspect(train_only(tmp_path), validation_share=0.2)
    assert local.inspect(tmp_path, validation_share=0.2, leak=True).unlabelled == 40


@pytest.mark.parametrize("share", [-0.1, 0.6, float("nan")])
def test_a_share_that_leaves_too_little_is_refused(tmp_path: Path, share: float) -> None:
    with pytest.raises(BadInput, match=r"not between 0 and 0\.5"):
        local.inspect(train_only(tmp_path), validation_share=share)


def test_a_share_beside_a_validation_file_or_of_too_few_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="There are 4 training rows with a label"):
        local.read(local.inspect(train_only(tmp_path, ROWS[:4]), validation_share=0.2))
    ROWS.to_csv(tmp_path / "dev.csv", index=False)
    with pytest.raises(BadInput, match=r"has a validation file, dev\.csv"):
        local.inspect(tmp_path, validation_share=0.2)


def test_a_test_file_is_read_with_the_classes_of_train_and_changes_no_task(
    tmp_path: Path, home: Path
) -> None:
    ROWS.to_csv(train_only(tmp_path) / "validation.csv", index=False)
    card = local.inspect(tmp_path)
    with pytest.raises(NotFound, match="has no test file"):
        load_split(card, "test")
    ROWS[:1].to_csv(tmp_path / "test.csv", index=False)

    assert local.inspect(tmp_path) == card and "test" not in load(card)
    assert load_split(card, "test")["label"].tolist() == [1]
    ROWS[["text"]].to_csv(tmp_path / "test.csv", index=False)
    with pytest.raises(BadInput, match=r"test\.csv has no labels: it lacks the column label"):
        load_split(card, "test")


def test_another_file_of_training_data_is_no_validation_split(tmp_path: Path) -> None:
    ROWS.to_csv(train_only(tmp_path) / "train_small.csv", index=False)
    with pytest.raises(BadInput, match=r"several files for train: train\.csv, train_small\.csv"):
        local.inspect(tmp_path)


def test_a_folder_says_where_its_files_may_be(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    train_only(tmp_path / "data")
    (tmp_path / "reviews.xlsx").touch()
    with pytest.raises(NotFound, match=r"no train file; .*data has one"):
        local.inspect(tmp_path)
    (tmp_path / "data" / "train.csv").rename(tmp_path / "all.csv")
    with pytest.raises(NotFound, match=r"no train file; it has all\.csv, reviews\.xlsx"):
        local.inspect(tmp_path)
