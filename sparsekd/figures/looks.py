"""What all pictures of a study share: colours for light and dark pages, plain axes, line styles."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from sparsekd.tasks import metrics

SCALE, DIVERGING = "Cividis", "RdBu"
CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False, "responsive": True}
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "pentagon", "hexagon")
NARROW = 50  # characters that fit above a panel on a phone
CLEAR = "rgba(0,0,0,0)"


@dataclass(frozen=True)
class Look:
    """Colours that depend on the page: words, what is beside the point, grid lines, page, lines."""

    ink: str
    faint: str
    rule: str
    ground: str
    band: str
    lines: tuple[str, ...]

    def line(self, place: int) -> dict[str, Any]:
        """The colour and dash of the line at this place; no two of the first 36 are alike."""
        colour = self.lines[place % len(self.lines)]
        shift = place // len(self.lines)
        return {"color": colour, "dash": DASHES[(place + shift) % len(DASHES)], "width": 2}

    def marker(self, place: int) -> dict[str, Any]:
        """The colour and shape of its points."""
        colour = self.lines[place % len(self.lines)]
        return {"color": colour, "symbol": SYMBOLS[place % len(SYMBOLS)], "size": 7}


LIGHT = Look(
    ink="#1c2326",
    faint="#6a7276",
    rule="#dfe2dc",
    ground="rgba(253,253,251,0.8)",
    band="rgba(80,88,92,0.16)",
    lines=("#17696f", "#b4560f", "#5b4a9c", "#8a6d00", "#a33a5e", "#4a6a2f"),
)
DARK = Look(
    ink="#e7ebec",
    faint="#939da1",
    rule="#2b3337",
    ground="rgba(11,14,16,0.8)",
    band="rgba(169,179,183,0.22)",
    lines=("#5cc2cc", "#f0a35e", "#b3a2f0", "#d9c04f", "#ef8fb0", "#9bcb74"),
)


def panels(titles: Iterable[str], heights: Iterable[float], gap: float, shared: bool) -> go.Figure:
    """Panels one below the other, each with its title over it."""
    shares = list(heights)
    figure = make_subplots(
        rows=len(shares),
        cols=1,
        shared_xaxes=shared,
        vertical_spacing=gap,
        row_heights=shares,
        subplot_titles=[wrapped(title) for title in titles],
    )
    for note in figure.layout.annotations:
        note.update(x=0, xanchor="left", align="left")
    return figure


def plain(figure: go.Figure, look: Look, height: int) -> go.Figure:
    """Axes and words in the look's ink, transparent ground, narrow margins, a legend above."""
    ink = {"color": look.ink, "size": 11}
    axes = {"tickfont": ink, "title_font": {"color": look.ink, "size": 12}, "fixedrange": True}
    axes |= {"gridcolor": look.rule, "linecolor": look.rule, "zeroline": False}
    figure.update_xaxes(automargin=True, **axes)
    figure.update_yaxes(automargin=True, **axes)
    figure.update_annotations(font={"color": look.ink, "size": 12})
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 34, "b": 8},
        font={"color": look.ink},
        legend={
            "orientation": "h", "x": 0, "xanchor": "left", "y": 0, "yref": "container",
            "yanchor": "bottom", "font": {"color": look.ink, "size": 11},
        },
        hovermode="closest",
        hoverdistance=40,
        dragmode=False,
        plot_bgcolor=CLEAR,
        paper_bgcolor=CLEAR,
    )  # fmt: skip
    return figure


def titled(metric: str, split: str = "") -> str:
    """A metric in words, with the data it is measured on."""
    return f"{metrics.title(metric)} on {split}" if split else metrics.title(metric)


def share(value: float) -> str:
    """0.3 as people say it."""
    return f"{value:.3g}" if value != value else f"{100 * value:g} %"


def wrapped(words: str, width: int = NARROW) -> str:
    """Words over as many lines as a narrow page needs."""
    lines, line = [], ""
    for word in words.split():
        if line and len(line) + len(word) >= width:
            lines.append(line)
            line = ""
        line = f"{line} {word}".strip()
    return "<br>".join([*lines, line])
