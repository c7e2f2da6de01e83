"""A task at a glance."""

import pandas as pd
import pytest

from sparsekd.tasks import TASKS, summary

CLASSES, NUMBERS = TASKS["demo/sentiment"], TASKS["demo/similarity"]


def test_labels_are_counted_by_name_in_each_split() -> None:
    splits = {
        name: pd.DataFrame({"label": labels})
        for name, labels in {"train": [0, 1, 1], "validation": [1]}.items()
    }

    table = summary.label_table(CLASSES, splits)

    assert list(table["label"]) == list(CLASSES.labels)
    assert list(table["train"]) == [1, 2]
    assert list(table["validation"]) == [0, 1]


def test_a_regression_shows_the_range_of_its_labels() -> None:
    table = summary.label_table(NUMBERS, {"train": pd.DataFrame({"label": [1.0, 2.0, 6.0]})})

    row = table.iloc[0]
    assert (row["min"], row["mean"], row["max"]) == (1.0, pytest.approx(3.0), 6.0)


def test_sample_rows_name_their_labels() -> None:
    rows = pd.DataFrame({"text": ["a"] * 9, "label": [1] * 9})

    shown = summary.sample_rows(CLASSES, rows)

    assert len(shown) == summary.SAMPLES
    assert set(shown["label"]) == {CLASSES.labels[1]}


def test_a_hub_task_has_facts_without_rows() -> None:
    task = TASKS["glue/mrpc"]

    assert summary.read_splits(task) is None
    assert "Rows" not in summary.facts(task, None)
