"""The cost of a sweep: finished runs over time, and seconds of work by stage."""

from collections.abc import Iterable

import pandas as pd
import plotly.graph_objects as go

from sparsekd.figures.theme import LIGHT, Theme, apply_theme, panels
from sparsekd.runs.tables import STAGES
from sparsekd.studies.cost import duration

UNITS = ((2 * 86400.0, 86400.0, "days"), (7200.0, 3600.0, "hours"), (120.0, 60.0, "minutes"))


def costs(frame: pd.DataFrame, theme: Theme = LIGHT) -> go.Figure:
    """Draw two panels over the time since the first run began: finished runs; work by stage.

    Args:
        frame: The frame of `sweep_results.costs`.
    """
    rows = frame.sort_values("finished")
    span = float(rows["finished"].max() - rows["started"].min()) if len(rows) else 0.0
    work = float(rows["seconds"].sum())
    (clock_seconds, clock), (work_seconds, unit) = _unit(span), _unit(work)
    titles = ("Finished runs", f"{unit.capitalize()} of work, by kind of run")
    figure = panels(titles, (0.4, 0.6), 0.12, shared=True)
    since = (rows["finished"] - rows["started"].min()) / clock_seconds
    counts = _steps(since, range(1, len(rows) + 1), "all runs", theme.ink, "solid")
    figure.add_trace(counts, 1, 1)
    for place, stage in enumerate(rows["stage"].unique()):
        own = rows["stage"] == stage
        sums = rows.loc[own, "seconds"].cumsum() / work_seconds
        name, line = STAGES.get(stage, str(stage)), theme.line(place)
        trace = _steps(since[own], sums, name, line["color"], line["dash"])
        # A point at the end: a stage of one run is visible, and its shape differs too.
        trace.marker = theme.marker(place) | {"size": [0] * (len(sums) - 1) + [9]}
        trace.mode = "lines+markers"
        figure.add_trace(trace, 2, 1)
    figure.update_xaxes(title_text=f"{clock.capitalize()} since the first run began", row=2, col=1)
    figure.update_yaxes(rangemode="tozero", nticks=5)
    return apply_theme(figure, theme, 480)


def _unit(seconds: float) -> tuple[float, str]:
    """Return the unit in which so many seconds are shown: its seconds and its name."""
    for least, unit, name in UNITS:
        if seconds >= least:
            return unit, name
    return 1.0, "seconds"


def _steps(x: object, y: Iterable[float], name: str, colour: str, dash: str) -> go.Scatter:
    return go.Scatter(
        x=x,
        y=list(y),
        mode="lines",
        name=name,
        line={"color": colour, "dash": dash, "width": 2, "shape": "hv"},
        hovertemplate=f"{name}<br>%{{y:,.4g}} after %{{x:.3g}}<extra></extra>",
    )


def costs_in_words(frame: pd.DataFrame) -> str:
    """Return the alternative text: runs, elapsed time, and work by stage."""
    if frame.empty:
        return "No run is finished."
    span = duration(float(frame["finished"].max() - frame["started"].min()))
    sums = frame.groupby("stage")["seconds"].sum().sort_values(ascending=False)
    parts = [f"{STAGES.get(str(stage), stage)} {duration(value)}" for stage, value in sums.items()]
    work = duration(float(frame["seconds"].sum()))
    return f"{len(frame)} runs finished within {span}; {work} of work: {', '.join(parts)}."
