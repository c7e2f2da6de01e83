"""The theme of the pages' Plotly figures: the visitor's colours, axes, one colour scale."""

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from sparsekd.figures.theme import DARK, LIGHT, SCALE, Theme

__all__ = ["CONFIG", "SCALE", "apply", "colour_bar", "current"]

CONFIG = {"displayModeBar": False, "scrollZoom": False, "doubleClick": False}


def current() -> Theme:
    """Return the theme in which the visitor sees the page."""
    return DARK if st.context.theme.type == "dark" else LIGHT


def colour_bar(title: str) -> dict[str, Any]:
    """Return the layout of a colour bar beside a chart."""
    ink = {"color": current().ink, "size": 11}
    words = {"text": title, "side": "top", "font": ink}
    return {"title": words, "thickness": 8, "tickfont": ink, "outlinewidth": 0, "xpad": 4}


def apply(
    figure: go.Figure, across: str | None = None, up: str | None = None, height: int = 380
) -> go.Figure:
    """Return the figure with the theme's text colour, narrow margins and fixed axes."""
    ink = current().ink
    for update, title in ((figure.update_xaxes, across), (figure.update_yaxes, up)):
        update(tickfont={"color": ink, "size": 11}, title_font={"color": ink, "size": 12})
        if title:
            update(title_text=title, rangemode="tozero", fixedrange=True)
    figure.update_layout(
        height=height,
        margin={"l": 8, "r": 8, "t": 8, "b": 8},
        font={"color": ink},
        hovermode="closest",
        hoverdistance=40,
        bargap=0,
        barmode="overlay",
        dragmode=False,
        plot_bgcolor="rgba(0,0,0,0)",
        paper_bgcolor="rgba(0,0,0,0)",
    )
    return figure
