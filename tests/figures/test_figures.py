"""Figures of a sweep: what is drawn where, and legible in both themes, without colour too."""

import math
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from sparsekd import figures
from sparsekd.figures import DARK, LIGHT, Theme
from sparsekd.studies.study_metric import Level
from tests.figures import sample_frames

PAGES = {LIGHT: "#fdfdfb", DARK: "#0b0e10"}


def named(figure: go.Figure) -> dict[str, Any]:
    """The first trace of each name."""
    return {trace.name: trace for trace in reversed(figure.data) if trace.name}


def luminance(colour: str) -> float:
    """Of sRGB, as WCAG 2.1 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK])
def test_words_and_lines_stand_out_from_their_page(theme: Theme):
    ground = PAGES[theme]
    assert contrast(theme.ink, ground) > 4.5
    assert contrast(theme.faint, ground) > 4.5
    assert min(contrast(colour, ground) for colour in theme.lines) > 3
    assert contrast(theme.cross, theme.removed) > 3


def test_lines_differ_in_more_than_colour():
    figure = figures.quality(sample_frames.curve(), "accuracy")
    lines = [trace for name, trace in named(figure).items() if name.startswith("λ")]
    assert len(lines) == 5
    assert len({(trace.line.dash, trace.marker.symbol) for trace in lines}) == 5


def test_the_curve_shows_student_teacher_and_distance_where_the_frame_has_them():
    curve = sample_frames.curve()
    figure = figures.quality(curve, "accuracy", split="validation")
    own = curve[curve["lam"] == 0.5]
    drawn = [trace for trace in figure.data if trace.name == "λ = 0.5"]
    for trace, column in zip(drawn, ("mean", "teacher_mean", "teacher_distance"), strict=True):
        np.testing.assert_allclose(trace.y, own[column])
    # Side by side, but nearer to their own sparsity than to the next.
    assert np.abs(np.asarray(drawn[0].x) - own["sparsity"]).max() < 0.05
    assert "Accuracy on validation" in figure.layout.annotations[0].text


def test_the_dense_level_is_a_band_over_all_sparsities():
    curve = sample_frames.curve()
    dense = curve[curve["ranking"] == "dense"].iloc[0]
    figure = figures.quality(curve, "accuracy")
    band = next(trace for trace in figure.data if trace.fill == "toself")
    assert sorted(set(band.y)) == [dense["low"], dense["high"]]
    assert (min(band.x), max(band.x)) == (0.0, 0.9)


def test_an_empty_panel_is_left_out():
    curve = sample_frames.curve().assign(teacher_distance=math.nan)
    figure = figures.quality(curve, "accuracy")
    assert len(figure.layout.annotations) == 2
    assert figure.layout.xaxis2.title.text.startswith("Sparsity")


def test_a_chosen_cell_gets_a_star_at_its_mean():
    curve = sample_frames.curve()
    star = named(figures.quality(curve, "accuracy", (0.5, 0.3)))["chosen on the selection data"]
    there = curve[(curve["lam"] == 0.5) & (curve["sparsity"] == 0.3)]
    assert list(star.y) == list(there["mean"])
    dense = named(figures.quality(curve, "accuracy", (0.0, 0.0)))["chosen on the selection data"]
    assert list(dense.y) == list(curve.loc[curve["ranking"] == "dense", "mean"])


def test_only_one_method_is_drawn():
    other = sample_frames.curve().assign(method="pkd", mean=0.1)
    both = pd.concat([sample_frames.curve(), other[other["ranking"] != "none"]])
    drawn = named(figures.quality(both, "accuracy", method="pkd"))["λ = 0"]
    assert set(drawn.y) == {0.1}


def test_the_grid_has_one_dense_cell_for_all_lam():
    grid = sample_frames.grid()
    maps = [trace for trace in figures.grid(grid, "accuracy").data if trace.type == "heatmap"]
    assert np.shape(maps[0].z) == (5, 9)
    assert np.shape(maps[1].z) == (1, 1)
    assert maps[1].z[0][0] == pytest.approx(0.87)
    top = grid[(grid["lam"] == 1.0) & (grid["sparsity"] == 0.4)]["mean"].iloc[0]
    assert maps[0].z[4][3] == pytest.approx(top)
    assert maps[0].hoverinfo == "skip"  # clicks and words are the catcher's


def test_a_cell_carries_lam_and_sparsity_for_clicks_and_every_seed_as_text():
    grid = sample_frames.grid()
    figure = figures.grid(grid, "accuracy")
    catcher = figure.data[-1]
    place = [tuple(pair) for pair in catcher.customdata].index((0.75, 0.2))
    assert (catcher.x[place], catcher.y[place]) == (2, 3)
    values = grid[(grid["lam"] == 0.75) & (grid["sparsity"] == 0.2)]["values"].iloc[0]
    assert all(f"{value:.4g}" in catcher.text[place] for value in values)
    assert "any λ" in catcher.text[0]


def test_missing_cells_are_crossed_and_not_coloured():
    gone = ((0.5, 0.9), (0.25, 0.4))
    figure = figures.grid(sample_frames.grid(gone), "accuracy")
    crosses = named(figure)["not finished"]
    assert set(zip(crosses.x, crosses.y, strict=True)) == {(9, 2), (4, 1)}
    assert np.isnan(figure.data[0].z[2][8])
    assert any("not finished" in text for text in figure.data[-1].text)


def test_differences_are_red_where_worse_and_white_at_the_level():
    trace = figures.grid(sample_frames.grid(), "accuracy", against=0.87).data[0]
    assert trace.zmin == -trace.zmax
    assert trace.colorscale[0][1] == "rgb(103,0,31)"
    loss = figures.grid(sample_frames.grid(), "loss", against=0.87).data[0]
    assert loss.colorscale[-1][1] == "rgb(103,0,31)"


def test_selected_and_chosen_cells_have_different_shapes_and_a_cell_outside_has_none():
    drawn = named(figures.grid(sample_frames.grid(), "accuracy", (0.5, 0.3), (1.0, 0.4)))
    shapes = {
        drawn[name].marker.symbol for name in ("selected cell", "chosen on the selection data")
    }
    assert len(shapes) == 2
    assert "selected cell" not in named(figures.grid(sample_frames.grid(), "accuracy", (0.3, 0.33)))


def test_the_front_has_the_models_that_no_smaller_one_matches():
    # By hand: b is beaten by a, d by c.
    rows = [("a", 1, 0.5), ("b", 2, 0.4), ("c", 3, 0.9), ("d", 4, 0.9), ("e", 5, 0.95)]
    front = pd.DataFrame(rows, columns=["what", "parameters", "quality"])
    front = front.assign(kind="student", latency_ms=math.nan, on_front=False)
    line = named(figures.pareto(front, "accuracy"))["Pareto front"]
    assert list(line.x) == [1, 3, 5]
    lower = named(figures.pareto(front, "loss"))["Pareto front"]
    assert list(lower.x) == [1, 2]


def test_latency_is_drawn_where_measured_and_noted_as_missing_otherwise():
    assert len(figures.pareto(sample_frames.front(), "accuracy").layout.annotations) == 2
    without = figures.pareto(sample_frames.front(measured=False), "accuracy")
    assert "not measured yet" in without.layout.xaxis.title.text


def test_every_student_is_one_line_of_five_points():
    wide = figures.wide(sample_frames.students(), "validation", "accuracy")
    assert len(wide) == 51 * 5
    figure = figures.parallel(wide, "accuracy", "validation")
    drawn = sum(np.isnan(np.asarray(trace.y)).sum() for trace in figure.data)
    assert drawn == len(wide)
    best = named(figure)["best fifth (51)"]
    ends = np.asarray(best.y).reshape(-1, 6)[:, 4]
    rest = next(trace for name, trace in named(figure).items() if name.startswith("the rest"))
    assert ends.min() >= np.asarray(rest.y).reshape(-1, 6)[:, 4].max()


def test_overlap_is_drawn_beside_chance():
    frame = sample_frames.stability()
    figure = figures.stability(frame)
    chance = named(figure)["expected by chance"]
    np.testing.assert_allclose(chance.y, [p / (2 - p) for p in sample_frames.SPARSITIES])
    assert len(figure.layout.annotations) == 2


def test_costs_add_up_to_all_seconds_and_all_runs():
    frame = sample_frames.costs()
    drawn = named(figures.costs(frame))
    assert drawn["all runs"].y[-1] == len(frame)
    stages = [trace.y[-1] for name, trace in drawn.items() if name != "all runs"]
    assert sum(stages) * 60 == pytest.approx(frame["seconds"].sum())


def test_empty_frames_give_empty_figures_and_say_so():
    assert "nothing is finished" in figures.quality_in_words(sample_frames.curve()[:0], "accuracy")
    assert "No cell" in figures.grid_in_words(
        sample_frames.grid().assign(mean=math.nan), "accuracy"
    )
    wide = figures.wide(sample_frames.students()[:0], "validation", "accuracy")
    drawn = [
        figures.quality(sample_frames.curve()[:0], "accuracy"),
        figures.grid(sample_frames.grid().assign(mean=math.nan), "accuracy"),
        figures.grid(sample_frames.grid()[:0], "accuracy"),
        figures.pareto(sample_frames.front()[:0], "accuracy"),
        figures.parallel(wide, "accuracy"),
        figures.stability(sample_frames.stability()[:0]),
        figures.costs(sample_frames.costs()[:0]),
    ]
    assert all(figure.to_json() for figure in drawn)


def test_the_alternative_text_names_the_best_cell():
    words = figures.grid_in_words(sample_frames.grid(), "accuracy", "validation")
    grid = sample_frames.grid()
    best = grid.loc[grid["mean"].idxmax()]
    assert f"Best mean {best['mean']:.3f} at λ {best['lam']:g}" in words


# --- the majority baseline -------------------------------------------------------------------

USUAL = Level("majority class", 0.512)


def test_the_majority_class_is_a_dotted_line_of_its_value_in_every_chart_of_quality():
    curve, front = sample_frames.curve(), sample_frames.front()
    drawn = (
        figures.quality(curve, "accuracy", level=USUAL),
        figures.pareto(front, "accuracy", level=USUAL),
    )
    for figure in drawn:
        lines = [trace for trace in figure.data if trace.name == "majority class 0.512"]
        assert lines[0].showlegend
        assert {value for line in lines for value in line.y} == {0.512}
        assert max(max(line.x) for line in lines) > 0
    # Of the teacher too, but not among distances, which have another unit.
    assert [trace.yaxis for trace in drawn[0].data if trace.name == "majority class 0.512"] == [
        "y",
        "y2",
    ]
    assert "majority class 0.512" not in named(figures.quality(curve, "accuracy"))
