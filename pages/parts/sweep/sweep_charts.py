"""The pictures of a trade-off study, one at a time, each with its table; the report of all."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from pages.parts.shell import url_state
from pages.parts.sweep import sweep_cell, sweep_frames, sweep_view
from pages.parts.sweep.sweep_view import Asked

FONT = '"Source Sans", sans-serif'  # as the page's own


@dataclass(frozen=True, eq=False)
class Picture:
    """A figure, the same in words, and its table."""

    figure: Any
    words: str
    table: pd.DataFrame


@dataclass(frozen=True)
class Kind:
    """A picture's name, what it says, and how it is drawn."""

    title: str
    help: str
    draw: Callable[[Asked], Picture]


def show(asked: Asked) -> None:
    """The picture that is chosen, what it says, and its table."""
    st.subheader("Pictures", anchor=False)
    key = url_state.bound("picture")
    name = st.segmented_control(
        "Picture", list(KINDS), required=True, key=key, label_visibility="collapsed",
        format_func=lambda name: KINDS[name].title,
    )  # fmt: skip
    url_state.write(picture=name)
    kind = KINDS[str(name)]
    st.caption(kind.help)
    if name == "map":
        sweep_cell.ask(asked)
    made = kind.draw(asked)
    drawn(made, f"{asked.key}.{name}", name == "map")
    if name == "map":
        sweep_cell.show(asked)
    table = f"{name}-{asked.found.plan.id}"
    sweep_view.twin(made.table, table, f"{asked.key}.{name}")


def drawn(made: Picture, key: str, clicks: bool) -> None:
    """The figure, in the visitor's theme; a click on the map chooses a cell."""
    from sparsekd.figures import CONFIG

    made.figure.update_layout(font_family=FONT)
    more: dict[str, Any] = {}
    if clicks:
        more = {"on_select": lambda: sweep_cell.picked(key), "selection_mode": "points"}
    st.plotly_chart(
        made.figure, width="stretch", key=key, config=CONFIG, alt=made.words, theme=None, **more
    )


def look() -> Any:
    """Return the theme in which the visitor sees the page."""
    from pages.parts.shell import looks

    return looks.look()


def chosen(asked: Asked) -> tuple[float, float] | None:
    """λ and sparsity that were chosen on the selection split; at sparsity 0 any λ will do."""
    return asked.conclusion().cell


# --- one by one ------------------------------------------------------------------------------


def curve(asked: Asked) -> Picture:
    """Student quality against teacher sparsity, over the teacher's own."""
    from sparsekd import figures

    table = sweep_frames.curve(asked.found, asked.split, asked.metric)
    told = asked.metric, asked.split, asked.method
    drawing = figures.quality(table, asked.metric, chosen(asked), asked.split, asked.method, look())
    return Picture(drawing, figures.quality_in_words(table, *told), table)


def grid(asked: Asked) -> Picture:
    """λ × sparsity, with the selected cell marked."""
    from sparsekd import figures

    table = sweep_frames.grid(asked.found, asked.method, asked.split, asked.metric)
    drawing = figures.grid(
        table, asked.metric, sweep_cell.here(asked), chosen(asked), asked.split, None, look()
    )
    return Picture(drawing, figures.grid_in_words(table, asked.metric, asked.split), table)


def front(asked: Asked) -> Picture:
    """Quality, parameters and measured latency."""
    from sparsekd import figures

    table = sweep_frames.front(asked.found, asked.split, asked.metric)
    return Picture(
        figures.pareto(table, asked.metric, asked.split, look()),
        figures.pareto_in_words(table, asked.metric, asked.split),
        table,
    )


def paths(asked: Asked) -> Picture:
    """Every student as a line."""
    from sparsekd import figures

    table = figures.wide(asked.students, asked.split, asked.metric, asked.method)
    return Picture(
        figures.parallel(table, asked.metric, asked.split, look()),
        figures.parallel_in_words(table, asked.metric, asked.split),
        table,
    )


def stability(asked: Asked) -> Picture:
    """How alike the masks of two seeds are."""
    from sparsekd import figures

    table = asked.found.frame("stability")
    return Picture(
        figures.stability(table, asked.method, look()),
        figures.stability_in_words(table, asked.method),
        table,
    )


def costs(asked: Asked) -> Picture:
    """Where the time went."""
    from sparsekd import figures

    table = asked.found.frame("costs")
    return Picture(figures.costs(table, look()), figures.costs_in_words(table), table)


KINDS = {
    "curve": Kind(
        "Against sparsity",
        "Above the student, in the middle its teacher by itself: the better teacher need not be "
        "the better one to learn from. Below, how far the teacher is from what a student can say.",
        curve,
    ),
    "map": Kind(
        "λ × sparsity",
        "Every cell is the mean of its seeds. A click, or λ and sparsity here, shows the seeds.",
        grid,
    ),
    "front": Kind(
        "Size and speed",
        "Which models no other one beats in quality and in size. Latency stands there where "
        "the page Mask has measured it.",
        front,
    ),
    "paths": Kind(
        "Every student",
        "Each student is a line from λ and sparsity to its quality on both splits.",
        paths,
    ),
    "stability": Kind(
        "Mask stability",
        "Whether the scores of different seeds remove the same heads and neurons.",
        stability,
    ),
    "costs": Kind("Cost", "Runs and seconds as they were spent, by stage.", costs),
}


# --- the report ------------------------------------------------------------------------------


def report(asked: Asked) -> None:
    """A button that writes the whole study into one HTML file when it is pressed."""
    st.download_button(
        "Download the report",
        lambda: reported(asked),
        f"trade-offs-{asked.found.plan.id}.html",
        "text/html",
        key=f"{asked.key}.report",
        icon=":material/article:",
        on_click="ignore",
        help="One HTML file with the verdict, the pictures and their tables. It opens offline.",
    )


def reported(asked: Asked) -> bytes:
    """The report as a file's content."""
    from sparsekd.figures import report as reports

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        reports.write([asked.found.plan], path, asked.metric, asked.split)
        return path.read_bytes()
