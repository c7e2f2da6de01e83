"""Figures of stored answers: agreement, reliability, who loses."""

import math

import numpy as np
import pandas as pd
import pytest

from sparsekd import figures
from sparsekd.figures import DARK, LIGHT, Theme
from sparsekd.figures.class_gaps import SHOWN


def agreement() -> pd.DataFrame:
    """Two students, two seeds."""
    return pd.DataFrame(
        {
            "what": ["A", "A", "B", "B"],
            "seed": [0, 1, 0, 1],
            "agreement": [0.9, 0.91, 0.85, 0.86],
            "independent": [0.88, 0.87, 0.86, 0.84],
            "accuracy": [0.9, 0.88, 0.86, 0.85],
            "teacher_accuracy": 0.95,
            "divergence": 0.2,
        }
    )


def bins(after: bool = True) -> pd.DataFrame:
    """Two models in two bins, one of them of few examples."""
    rows = [
        (what, scaled, sure, sure - 0.1, examples)
        for what in ("A", "B")
        for scaled in ((False, True) if after else (False,))
        for sure, examples in ((0.65, 5), (0.95, 500))
    ]
    return pd.DataFrame(rows, columns=["what", "scaled", "confidence", "accuracy", "examples"])


def changes(classes: int = 3) -> pd.DataFrame:
    """Classes that lose less and less; the first one is worse, the rest inconclusive."""
    found = pd.DataFrame({"label": [f"class {place}" for place in range(classes)]})
    found["difference"] = np.linspace(-0.2, 0.1, classes)
    found = found.assign(examples=[12] + [500] * (classes - 1), before=0.9, confidence=0.95)
    found["after"] = found["before"] + found["difference"]
    found["verdict"] = found["words"] = ["worse"] + ["inconclusive"] * (classes - 1)
    return found.assign(low=found["difference"] - 0.05, high=found["difference"] + 0.05)


def means() -> pd.DataFrame:
    return changes(2).assign(label=["accuracy", "macro_f1"])


def seeds(classes: int = 3) -> pd.DataFrame:
    return changes(classes).assign(seed=0)[["label", "seed", "difference"]]


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_each_point_falls_to_the_agreement_of_independent_errors(theme: Theme):
    figure = figures.agreements(agreement(), theme)

    falls = [trace for trace in figure.data if trace.name == "if errors were independent"]
    points = [trace for trace in figure.data if trace.mode == "markers"]
    assert [trace.name for trace in points] == ["A", "B"]
    assert list(points[0].y) == [0.9, 0.91]
    assert list(falls[0].y[:2]) == [0.9, 0.88]
    assert len({trace.marker.symbol for trace in points}) == 2
    assert points[0].marker.color == theme.lines[0]


def test_the_ceiling_is_one_minus_the_difference_of_the_accuracies():
    ceiling = figures.agreements(agreement()).data[0]

    np.testing.assert_allclose(ceiling.y, 1 - np.abs(0.95 - np.array(ceiling.x)))


def test_a_teacher_among_its_students_is_the_top_of_the_ceiling():
    frame = agreement().assign(teacher_accuracy=0.87)

    assert max(figures.agreements(frame).data[0].y) == 1


def test_a_bin_of_few_examples_is_hollow():
    figure = figures.reliabilities(bins())

    drawn = [trace for trace in figure.data if trace.name == "A"]
    assert len(drawn) == 2
    assert list(drawn[0].marker.symbol) == ["circle-open", "circle"]
    assert "temperature" in figure.layout.annotations[1].text


def test_without_a_temperature_there_is_one_panel():
    figure = figures.reliabilities(bins(after=False))

    assert len(figure.layout.annotations) == 1
    assert figure.layout.xaxis.title.text.startswith("Confidence")


def test_losses_stand_on_top_in_points_with_their_interval():
    figure = figures.class_gaps(changes(), means(), seeds())

    worse = next(t for t in figure.data if t.name == "worse over seeds" and "class" in t.y[0])
    assert list(worse.x) == [-20]
    assert (worse.error_x.array[0], worse.error_x.arrayminus[0]) == pytest.approx((5, 5))
    assert figure.layout.yaxis2.categoryarray[-1] == "class 0 (12, few)"
    shown = [trace.name for trace in figure.data if trace.showlegend]
    assert len(shown) == len(set(shown))


def test_of_many_classes_those_that_lose_most_are_drawn():
    figure = figures.class_gaps(changes(60), means(), seeds(60))

    assert len(figure.layout.yaxis2.categoryarray) == SHOWN
    assert figure.layout.height < 900


def test_one_seed_has_no_interval():
    lone = changes().assign(low=math.nan, high=math.nan, verdict="inconclusive")

    figure = figures.class_gaps(lone, means().assign(low=math.nan, high=math.nan), seeds())

    assert not [
        trace
        for trace in figure.data
        if trace.name == "worse over seeds" and "class" in str(trace.y)
    ]


def test_the_words_say_the_numbers():
    assert "A 0.905 (independent errors 0.875, accuracy 0.890)" in figures.agreements_in_words(
        agreement()
    )
    assert figures.reliabilities_in_words(bins()) == (
        "Confidence minus accuracy of each model: A +0.100, after the temperature +0.100; "
        "B +0.100, after the temperature +0.100."
    )
    assert figures.class_gaps_in_words(changes(2), means()) == (
        "Change in points: Accuracy -20.0; Macro F1 +10.0; class 0 -20.0 (worse); "
        "class 1 +10.0 (inconclusive)."
    )
    empty = (
        figures.agreements_in_words(agreement()[:0]),
        figures.reliabilities_in_words(bins()[:0]),
    )
    assert all("nothing is finished" in words for words in empty)


def test_empty_frames_are_drawn_without_a_point():
    drawn = (
        figures.agreements(agreement()[:0]),
        figures.reliabilities(bins()[:0]),
        figures.class_gaps(changes()[:0], means()[:0], seeds()[:0]),
    )
    points = {trace.name for figure in drawn for trace in figure.data if len(trace.x)}
    assert points == {"perfectly calibrated"}  # the diagonal alone
