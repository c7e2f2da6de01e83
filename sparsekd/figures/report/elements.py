"""The elements of a report as HTML: figures, tables, versions."""

import platform
from datetime import UTC, datetime
from html import escape
from importlib.metadata import version

import pandas as pd
import plotly.graph_objects as go
from plotly.io import to_json

import sparsekd

PACKAGES = ("numpy", "pandas", "scipy", "statsmodels", "torch", "transformers", "plotly")


class Figures:
    """The figures of a report, as JSON for a light and a dark page."""

    def __init__(self) -> None:
        self.json: list[str] = []

    def section(
        self, title: str, words: str, rows: pd.DataFrame, light: go.Figure, dark: go.Figure
    ) -> str:
        """Add a figure; return its section: heading, figure, alternative text, table."""
        name = f"figure{len(self.json)}"
        self.json.append(f"[{_in_script(light)}, {_in_script(dark)}]")
        height = int(light.layout.height)
        place = (
            f'<div class="figure" id="{name}" role="img" aria-label="{escape(words)}" '
            f'style="height: {height}px"></div>'
        )
        return (
            f"<section><h3>{escape(title)}</h3>{place}<p class=words>{escape(words)}</p>"
            f"<details><summary>Table</summary>{table(rows)}</details></section>"
        )


def _in_script(figure: go.Figure) -> str:
    """Return a figure as JSON that cannot end the script around it."""
    text = str(to_json(figure, validate=False))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def table(frame: pd.DataFrame) -> str:
    """Return a frame as an HTML table, with everything in it escaped."""
    named = frame.rename(columns=lambda name: str(name).replace("_", " "))
    html = named.to_html(
        index=False, escape=True, border=0, na_rep="–", float_format="{:.4g}".format, justify="left"
    )
    return f'<div class="table">{html}</div>'


def versions() -> str:
    """Return a footer with the time and the versions of the packages."""
    known = [f"Python {platform.python_version()}", f"SparseKD {sparsekd.__version__}"]
    known += [f"{name} {version(name)}" for name in PACKAGES]
    day = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"<footer>Written {day} with {escape(', '.join(known))}.</footer>"
