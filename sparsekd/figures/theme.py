"""The theme of all figures: colours for light and dark pages, line styles, axes, titles."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sparsekd.studies.study_metric import Level
from sparsekd.tasks import metrics

SCALE, DIVERGING = "Cividis", "RdBu"
CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False, "responsive": True}
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon", "hexagon")
NARROW = 50  # characters that fit above a panel on a phone
CLEAR = "rgba(0,0,0,0)"


@dataclass(frozen=True)
class Theme:
    """The colours of figures on a light or on a dark page.

    `ink` is that of text, `faint` of secondary lines, `rule` of grid lines, `ground` lies behind
    labels, `band` fills intervals. `removed` fills units that a mask removes, `cross` marks them,
    `chosen` frames the selected one.
    """

    ink: str
    faint: str
    rule: str
    ground: str
    band: str
    removed: str
    cross: str
    chosen: str
    lines: tuple[str, ...]

    def line(self, place: int) -> dict[str, Any]:
        """Return colour and dash of the line at this place; the first 36 all differ."""
        colour = self.lines[place % len(self.lines)]
        shift = place // len(self.lines)
        return {"color": colour, "dash": DASHES[(place + shift) % len(DASHES)], "width": 2}

    def marker(self, place: int) -> dict[str, Any]:
        """Return colour and shape of the points of that line."""
        colour = self.lines[place % len(self.lines)]
        shift = place // len(self.lines)
        return {"color": colour, "symbol": SYMBOLS[(place + shift) % len(SYMBOLS)], "size": 7}


LIGHT = Theme(
    ink="#1c2326",
    faint="#6a7276",
    rule="#dfe2dc",
    ground="rgba(253,253,251,0.8)",
    band="rgba(80,88,92,0.16)",
    removed="#e9ebe6",
    cross="#b3261e",
    chosen="#d1341f",
    lines=("#17696f", "#b4560f", "#5b4a9c", "#8a6d00", "#a33a5e", "#4a6a2f"),
)
DARK = Theme(
    ink="#e7ebec",
    faint="#939da1",
    rule="#2b3337",
    ground="rgba(11,14,16,0.8)",
    band="rgba(169,179,183,0.22)",
    removed="#262d30",
    cross="#ff8a80",
    chosen="#ff6f61",
    lines=("#5cc2cc", "#f0a35e", "#b3a2f0", "#d9c04f", "#ef8fb0", "#9bcb74"),
)


def panels(titles: Iterable[str], heights: Iterable[float], gap: float, shared: bool) -> go.Figure:
    """Return a figure with one panel below the other, each with its title over it."""
    shares = list(heights)
    figure = make_subplots(
        rows=len(shares),
        cols=1,
        shared_xaxes=shared,
        vertical_spacing=gap,
        row_heights=shares,
        subplot_titles=[wrap(title) for title in titles],
    )
    for note in figure.layout.annotations:
        note.update(x=0, xanchor="left", align="left")
    return figure


def apply_theme(figure: go.Figure, theme: Theme, height: int) -> go.Figure:
    """Set text and axes in the theme's colours, narrow margins and a legend below."""
    text = {"color": theme.ink, "size": 11}
    axes = {"tickfont": text, "title_font": {"color": theme.ink, "size": 12}, "fixedrange": True}
    axes |= {"gridcolor": theme.rule, "linecolor": theme.rule, "zeroline": False}
    figure.update_xaxes(automargin=True, **axes)
    figure.update_yaxes(automargin=True, **axes)
    figure.update_annotations(font={"color": theme.ink, "size": 12})
    legend = {"orientation": "h", "x": 0, "xanchor": "left", "y": 0, "yanchor": "bottom"}
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        font={"color": theme.ink},
        legend=legend | {"yref": "container", "font": text},
        hovermode="closest",
        hoverdistance=40,
        dragmode=False,
        plot_bgcolor=CLEAR,
        paper_bgcolor=CLEAR,
    )
    return figure


def level_line(x: Sequence[float], level: Level, theme: Theme, shown: bool = True) -> go.Scatter:
    """Return a dotted line at a level over all of x, with its name and value in the legend."""
    return go.Scatter(
        x=list(x),
        y=[level.value] * len(x),
        mode="lines",
        name=level.words,
        legendgroup=level.words,
        showlegend=shown,
        line={"color": theme.ink, "dash": "1px,4px", "width": 2},
        hovertemplate=f"{level.words}<extra></extra>",
    )


def metric_title(metric: str, split: str = "") -> str:
    """Return the title of a metric, with the split that it is measured on."""
    return f"{metrics.title(metric)} on {split}" if split else metrics.title(metric)


def percent(share: float) -> str:
    """Return a share as a percentage: 0.3 as 30%."""
    return f"{share:.3g}" if share != share else f"{100 * share:g}%"


def wrap(words: str, width: int = NARROW) -> str:
    """Return text over as many lines as a narrow page needs."""
    lines, line = [], ""
    for word in words.split():
        if line and len(line) + len(word) >= width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "<br>".join([*lines, line])
