"""Overlaps of splits with training, on texts made by hand."""

import json
from dataclasses import replace

import pandas as pd
import pytest

from sparsekd.tasks import find
from sparsekd.tasks.overlaps import Overlap, example_table, overlaps, sentence, table

ONE, PAIRS = find("glue/sst2"), find("glue/rte")


def texts(*rows):
    return pd.DataFrame({"text": rows})


def pairs(*rows):
    return pd.DataFrame(rows, columns=["text", "pair"])


def counts(found):
    return found.split, found.rows, found.duplicates, found.shared, found.contained, found.short


def test_duplicates_and_texts_inside_training_texts_are_counted_once_each():
    found = overlaps(
        {
            "train": texts("A warm film about trust.", "dull", "one more"),
            "selection": texts(
                "a warm FILM about trust", "a warm film about", "film", "new", "art"
            ),
            "validation": texts("new", "dull!", "a film"),
        }
    )
    assert [counts(each) for each in found] == [
        ("selection", 5, 1, 0, 2, 1),
        ("validation", 3, 2, 0, 0, 0),  # "new" is a selection text
    ]
    assert [each.share for each in found] == [pytest.approx(3 / 5), pytest.approx(2 / 3)]
    assert found[0].examples[1:] == (
        ("contained", "a warm film about", "A warm film about trust."),
        ("contained", "film", "A warm film about trust."),
    )


def test_of_pairs_one_text_may_be_shared_in_either_place():
    found = overlaps(
        {
            "train": pairs(("a b", "c d"), ("e f", "g h")),
            "selection": pairs(
                ("a b", "c d"), ("x y", "A b."), ("a b", "g h"), ("f", "x"), ("x", "y")
            ),
        }
    )
    assert counts(found[0]) == ("selection", 5, 1, 2, 1, 1)
    assert found[0].examples[1:3] == (("shared", "a b", "a b"), ("shared", "a b", "a b"))


def test_a_sentence_names_the_splits_that_overlap_by_5_percent_or_more():
    much = Overlap("selection", 2000, 400, 0, 1430, 461)
    little = Overlap("validation", 872, 2, 0, 1, 1)
    assert sentence(ONE, [much, little]) == (
        "91.5% of the selection texts stand inside a training text: choices may favour memory."
    )
    shared = Overlap("validation", 100, 0, 39, 0, 0)
    assert sentence(PAIRS, [shared]) == (
        "39.0% of the validation pairs share a text with a training pair: what is reported on them "
        "may be memory."
    )
    assert sentence(replace(ONE, origin="demo"), [much]) == ""


def test_an_overlap_survives_json_and_has_its_share_there():
    one = Overlap("selection", 4, 1, 0, 1, 0, (("duplicates", "a", "a"),))
    assert Overlap.from_json(json.loads(json.dumps(one.to_json()))) == one
    assert one.to_json()["share"] == 0.5
    assert table([one]).iloc[0].to_dict()["share"] == 0.5
    assert example_table([one]).iloc[0].tolist() == ["selection", "is a training text", "a", "a"]


def test_a_task_without_overlap_has_empty_tables():
    found = overlaps({"train": texts("a b"), "validation": texts("c d")})
    assert counts(found[0]) == ("validation", 1, 0, 0, 0, 0)
    assert example_table(found).empty
