"""Altair charts of frames; imported where a chart is drawn: the import takes half a second."""

from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from sparsekd.studies.study_metric import Level

LEGEND = alt.Legend(orient="top", title=None, offset=2, symbolSize=80, columns=3)
FEW = 60  # points of a line up to which each is marked
NAMED = alt.Axis(labelLimit=260, title=None)
STEPS = alt.Axis(tickMinStep=1, format="d", grid=False)
UPRIGHT = 24  # letters of all names of classes up to which they stand side by side
UNIT = alt.Scale(domain=[0, 1])
INKS = {"light": "#3f474b", "dark": "#c3cbcf"}  # contrast with the background: 9 : 1 and more


def ink() -> str:
    """Return the colour of text and lines in the visitor's theme."""
    return INKS["dark" if st.context.theme.type == "dark" else "light"]


def legible(chart: Any) -> Any:
    """Return the chart with axes and legend in the text colour of the visitor's theme."""
    named = {"labelColor": ink(), "titleColor": ink()}
    return chart.configure_axis(**named).configure_legend(**named)


def lines(logged: pd.DataFrame, dots: bool) -> Any:
    """Return lines over optimiser steps, one per name, distinguished by colour and dash."""
    data = logged.assign(name=logged["name"].str.split("/", n=1).str[-1])
    chart = alt.Chart(data, padding=0).mark_line(point=dots, strokeWidth=2)
    chart = chart.encode(
        x=alt.X("step:Q", title="optimiser step", axis=STEPS),
        y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
        color=alt.Color("name:N", legend=LEGEND),
        strokeDash=alt.StrokeDash("name:N", legend=LEGEND),
        tooltip=["name", "step", alt.Tooltip("value", format=".4f")],
    )
    return legible(chart.properties(height=230))


def named_lines(logged: pd.DataFrame, title: str, begin: int | None = None) -> Any:
    """Return a method's numbers over optimiser steps, with a rule at the final training's start.

    Columns: step, name, value.
    """
    few = logged.groupby("name").size().max() <= FEW
    chart = alt.Chart(logged).mark_line(
        strokeWidth=2 if few else 1, point={"size": 14} if few else False
    )
    chart = chart.encode(
        x=alt.X("step:Q", title="optimiser step", axis=STEPS),
        y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=False)),
        color=alt.Color("name:N", legend=LEGEND),
        strokeDash=alt.StrokeDash("name:N", legend=LEGEND),
        tooltip=["name", "step", alt.Tooltip("value", format=".4f")],
    )
    layers = [chart]
    if begin:
        rule = alt.Chart(pd.DataFrame({"step": [begin]})).mark_rule(strokeWidth=2, color=ink())
        layers.append(rule.encode(x="step:Q"))
    return legible(alt.layer(*layers, padding=0).properties(height=230))


def timeline(spans: pd.DataFrame) -> Any:
    """Return stages as bars from step to step. Columns: name, from, to."""
    names = list(dict.fromkeys(spans["name"]))
    chart = alt.Chart(spans, padding=0).mark_bar(size=20, cornerRadius=3)
    chart = chart.encode(
        x=alt.X("from:Q", title="optimiser step", axis=alt.Axis(tickMinStep=1)),
        x2="to:Q",
        y=alt.Y("name:N", sort=names, axis=NAMED),
        color=alt.Color("name:N", sort=names, legend=None),
        tooltip=["name", "from", "to"],
    )
    return legible(chart.properties(height=34 * len(names) + 40))


def before_and_after(means: pd.DataFrame, title: str) -> Any:
    """Return a measure by layer, before and after training. Columns: layer, when, value."""
    chart = alt.Chart(means, padding=0).mark_bar()
    chart = chart.encode(
        x=alt.X("layer:O", title="student layer (1 = bottom)", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("when:N", sort=["before", "after"]),
        y=alt.Y("value:Q", title=title.replace("_", " ")),
        color=alt.Color("when:N", sort=["before", "after"], legend=LEGEND),
        tooltip=["layer", "when", alt.Tooltip("value", format=".4f")],
    )
    return legible(chart.properties(height=230))


def dots(
    points: pd.DataFrame,
    means: pd.DataFrame,
    title: str,
    baseline: float | None = None,
    majority: Level | None = None,
) -> Any:
    """Return seeds as dots, means as bars, intervals as lines, and a baseline's mean as dashes.

    The majority baseline is a dotted line with its name.

    Columns: points what, seed, value, parameters; means what, mean, low, high, seeds.
    """
    rows = alt.Y("what:N", sort=list(means["what"]), axis=NAMED)

    def across(column: str) -> alt.X:
        scale = alt.Scale(zero=False, padding=14)
        return alt.X(f"{column}:Q", scale=scale, title=title, axis=alt.Axis(tickCount=5))

    known = means.dropna(subset=["low"])  # one seed has no interval
    rules = alt.Chart(known).mark_rule(strokeWidth=2, color=ink())
    ticks = alt.Chart(means).mark_tick(thickness=3, size=22, color=ink())
    circles = alt.Chart(points).mark_circle(size=90, opacity=0.75)
    layers = [rules.encode(x=across("low"), x2="high:Q", y=rows)] if len(known) else []
    if baseline is not None:
        at = alt.Chart(pd.DataFrame({"mean": [baseline]})).mark_rule(strokeDash=[4, 4], color=ink())
        layers.append(at.encode(x=across("mean")))
    if majority is not None:
        named = pd.DataFrame({"mean": [majority.value], "name": [majority.name]})
        at = alt.Chart(named).encode(x=across("mean"), tooltip=["name", "mean"])
        text = at.mark_text(align="left", dx=5, fontSize=11, color=ink())
        layers.append(at.mark_rule(strokeDash=[1, 3], strokeWidth=2, color=ink()))
        layers.append(text.encode(y=alt.value(7), text="name:N"))
    layers += [
        ticks.encode(
            x=across("mean"), y=rows, tooltip=["what", alt.Tooltip("mean", format=".4f"), "seeds"]
        ),
        circles.encode(
            x=across("value"),
            y=rows,
            tooltip=["what", "seed", alt.Tooltip("value", format=".4f"), "parameters"],
        ),
    ]
    height = 46 if len(means) < 9 else 30
    return legible(alt.layer(*layers).properties(height=height * len(means) + 20))


def confusions(cells: pd.DataFrame, names: list[str]) -> Any:
    """Return a confusion matrix. Columns: true, predicted, examples, share."""
    angle = -40 if sum(map(len, names)) > UPRIGHT else 0
    base = alt.Chart(cells).encode(
        x=alt.X(
            "predicted:N",
            sort=names,
            axis=alt.Axis(labelAngle=angle, labelLimit=110, labelOverlap=False),
        ),
        y=alt.Y("true:N", sort=names, axis=alt.Axis(labelLimit=110)),
    )
    scale = alt.Scale(scheme="cividis", domain=[0, 1])
    squares = base.mark_rect().encode(
        color=alt.Color("share:Q", scale=scale, legend=None), tooltip=list(cells.columns)
    )
    dark, light = alt.value("#111111"), alt.value("#ffffff")
    numbers = base.mark_text(fontSize=14 if len(names) < 5 else 11).encode(
        text="examples:Q", color=alt.condition("datum.share > 0.5", dark, light)
    )
    return legible((squares + numbers).properties(height=max(240, 44 * len(names) + 60)))


def largest_confusions(cells: pd.DataFrame) -> Any:
    """Return bars of confusions in the order of their rows. Columns: as those of `confusions`."""
    named = cells.assign(what=cells["true"] + " → " + cells["predicted"])
    base = alt.Chart(named).encode(
        x=alt.X("examples:Q", axis=alt.Axis(tickMinStep=1, format="d")),
        y=alt.Y("what:N", sort=list(named["what"]), axis=NAMED),
        tooltip=["true", "predicted", "examples", alt.Tooltip("share", format=".1%")],
    )
    numbers = base.mark_text(align="left", dx=4, color=ink()).encode(text="examples:Q")
    return legible((base.mark_bar() + numbers).properties(height=24 * len(named) + 40))


def reliability(bins: pd.DataFrame) -> Any:
    """Return accuracy against confidence. Columns: confidence, accuracy, examples."""
    ends = pd.DataFrame({"confidence": [0.0, 1.0], "accuracy": [0.0, 1.0]})
    line = alt.Chart(bins).mark_line(point=alt.OverlayMarkDef(size=70))
    line = line.encode(
        x=alt.X("confidence:Q", title="confidence", scale=UNIT),
        y=alt.Y("accuracy:Q", title="accuracy", scale=UNIT),
        tooltip=[
            alt.Tooltip("confidence", format=".3f"),
            alt.Tooltip("accuracy", format=".3f"),
            "examples",
        ],
    )
    return legible((diagonal(ends, "confidence", "accuracy") + line).properties(height=240))


def scatter(points: pd.DataFrame) -> Any:
    """Return predicted numbers against gold ones. Columns: gold, predicted."""
    low, high = float(points.min().min()), float(points.max().max())
    ends = pd.DataFrame({"gold": [low, high], "predicted": [low, high]})
    marks = alt.Chart(points).mark_circle(size=40, opacity=0.5)
    marks = marks.encode(
        x="gold:Q",
        y="predicted:Q",
        tooltip=[alt.Tooltip("gold", format=".2f"), alt.Tooltip("predicted", format=".2f")],
    )
    return legible((diagonal(ends, "gold", "predicted") + marks).properties(height=300))


def diagonal(ends: pd.DataFrame, x: str, y: str) -> Any:
    """Return the dashed line of perfect predictions."""
    chart = alt.Chart(ends).mark_line(strokeDash=[4, 4], color="gray")
    return chart.encode(x=f"{x}:Q", y=f"{y}:Q")


def bars(counts: pd.DataFrame) -> Any:
    """Return a histogram of counted bins. Columns: from, to, examples."""
    chart = alt.Chart(counts).mark_bar()
    x = alt.X("from:Q", bin="binned", title="predicted − gold")
    return legible(chart.encode(x=x, x2="to:Q", y="examples:Q").properties(height=300))
