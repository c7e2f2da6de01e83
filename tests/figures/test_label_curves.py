"""The figure over label budgets: lines, places, seeds and the teacher."""

import math

import numpy as np
import pandas as pd
import pytest

from sparsekd.figures import label_curves, label_curves_in_words
from sparsekd.studies.study_metric import Level


def table(labels=(100.0, math.inf), noises=(0.0,)):
    rows = [
        {"noise": noise, "labels": budget, "known": 8000.0 if math.isinf(budget) else budget}
        | {"method": "vanilla", "kind": kind, "what": f"Student {kind}", "mean": 0.8}
        | {"low": 0.7, "high": 0.9, "seeds": 2, "values": [0.75, 0.85]}
        for noise in noises
        for budget in labels
        for kind in ("dense", "none")
    ]
    return pd.DataFrame(rows)


def teachers(rows):
    places = rows[["noise", "labels", "known"]].drop_duplicates()
    return places.assign(value=0.95)


def test_labels_are_on_a_logarithmic_axis_with_all_of_them_at_their_number():
    rows = table()
    figure = label_curves(rows, teachers(rows), "accuracy", "validation")
    axis = figure.layout.xaxis
    assert axis.tickvals == pytest.approx([2, math.log10(8000)])
    assert list(axis.ticktext) == ["100", "all 8,000"]
    named = [trace.name for trace in figure.data if trace.showlegend]
    assert named == ["Student dense", "Student none", "teacher"]
    seeds = [trace for trace in figure.data if trace.mode == "markers"]
    assert [len(trace.x) for trace in seeds] == [4, 4]
    assert list(figure.data[-1].y) == [0.95, 0.95]
    error = figure.data[0].error_y
    assert np.allclose(error.array, 0.1) and np.allclose(error.arrayminus, 0.1)


def test_noise_is_the_axis_where_there_is_one_budget_and_a_panel_where_there_are_several():
    rows = table(labels=(math.inf,), noises=(0.0, 0.2))
    figure = label_curves(rows, teachers(rows), "accuracy")
    assert list(figure.layout.xaxis.ticktext) == ["0", "20"]
    rows = table(noises=(0.0, 0.2))
    assert label_curves(rows, teachers(rows), "accuracy").layout.xaxis2.title.text


def test_the_words_have_every_mean():
    words = label_curves_in_words(table(noises=(0.2,)), "accuracy", "validation")
    assert "Student none" in words
    assert "0.800 at all 8,000 labels and 20% noise" in words


def test_the_majority_class_is_a_line_over_all_budgets():
    rows = table()
    figure = label_curves(rows, teachers(rows), "accuracy", level=Level("majority class", 0.5))
    line = figure.data[-1]
    assert line.name == "majority class 0.500"
    assert list(line.y) == [0.5, 0.5]
    assert list(line.x) == pytest.approx([2, math.log10(8000)])


def test_a_kind_has_one_style_in_every_figure():
    both = label_curves(table(), teachers(table()), "accuracy")
    alone = table()[table()["kind"] == "none"]
    one = label_curves(alone, teachers(alone), "accuracy")

    def style(figure):
        line = next(trace for trace in figure.data if trace.name == "Student none")
        return line.line.color, line.line.dash, line.marker.symbol

    assert style(both) == style(one)
