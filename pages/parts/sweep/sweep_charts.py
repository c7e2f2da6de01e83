"""The charts of a trade-off study, one at a time, each with its table; the report."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from pages.parts.shell import url_state
from pages.parts.sweep import sweep_cell, sweep_view
from pages.parts.sweep.sweep_frames import SweepSnapshot
from sparsekd.studies.sweeps.sweep_metric import SweepMetric

NO_LINE = ("map", "paths")
OF_SPARSITY = ("curve", "map", "paths", "stability")  # nothing to draw of the dense teacher alone
FONT = '"Source Sans", sans-serif'  # that of the page


@dataclass(frozen=True, eq=False)
class Chart:
    """A figure, its alternative text, and its table."""

    figure: Any
    words: str
    table: pd.DataFrame


@dataclass(frozen=True)
class ChartKind:
    """The title and help of a chart, and the function that makes it."""

    title: str
    help: str
    make: Callable[[SweepSnapshot, SweepMetric], Chart]


def draw_charts(snapshot: SweepSnapshot, of: SweepMetric) -> None:
    """Draw the choice of a chart, the chart, and its table."""
    st.subheader("Charts", anchor=False)
    sparse = bool((of.students["sparsity"] > 0).any())
    names = [name for name in KINDS if sparse or name not in OF_SPARSITY]
    key = url_state.bound("picture")
    if st.session_state[key] not in names:
        st.session_state[key] = names[0]
    name = st.segmented_control(
        "Chart",
        names,
        required=True,
        key=key,
        label_visibility="collapsed",
        format_func=lambda name: KINDS[name].title,
    )
    url_state.write(picture=name)
    kind, is_map = KINDS[str(name)], name == "map"
    # In the charts without an axis of quality it cannot be a line.
    level = f" {of.title} of the {of.majority.words}." if of.majority and name in NO_LINE else ""
    st.caption(f"{kind.help}{level}")
    if is_map:
        sweep_cell.choose_cell(of)
    chart = kind.make(snapshot, of)
    draw_chart(chart, f"{of.key}.{name}", is_map)
    if is_map:
        sweep_cell.draw_cell(of)
    sweep_view.draw_twin(chart.table, f"{name}-{of.plan.id}", f"{of.key}.{name}")


def draw_chart(chart: Chart, key: str, clicks: bool) -> None:
    """Draw a figure in the visitor's theme; with `clicks`, one on the map chooses a cell."""
    from sparsekd.figures import CONFIG

    chart.figure.update_layout(font_family=FONT)
    more: dict[str, Any] = {}
    if clicks:
        more = {"on_select": lambda: sweep_cell.pick_cell(key), "selection_mode": "points"}
    st.plotly_chart(
        chart.figure,
        width="stretch",
        key=key,
        config=CONFIG,
        alt=chart.words,
        theme=None,
        **more,
    )


def _theme() -> Any:
    from pages.parts.shell import figure_theme

    return figure_theme.current()


# --- one by one ------------------------------------------------------------------------------


def curve(snapshot: SweepSnapshot, of: SweepMetric) -> Chart:
    """Return student quality against teacher sparsity, beside the teacher's own."""
    from sparsekd import figures

    table, cell = snapshot.curve(of), snapshot.conclusion(of).cell
    return Chart(
        figures.quality(table, of.metric, cell, of.split, of.method, _theme(), of.majority),
        figures.quality_in_words(table, of.metric, of.split, of.method),
        table,
    )


def grid(snapshot: SweepSnapshot, of: SweepMetric) -> Chart:
    """Return λ × sparsity, with the chosen cell marked."""
    from sparsekd import figures

    table, found = snapshot.grid(of), snapshot.conclusion(of)
    here = sweep_cell.chosen_cell(of)
    return Chart(
        figures.grid(
            table, of.metric, here, found.cell, of.split, None, _theme(), found.alike_cells
        ),
        figures.grid_in_words(table, of.metric, of.split),
        table,
    )


def front(snapshot: SweepSnapshot, of: SweepMetric) -> Chart:
    """Return quality, parameters and measured latency."""
    from sparsekd import figures

    table = snapshot.front(of)
    return Chart(
        figures.pareto(table, of.metric, of.split, _theme(), of.majority),
        figures.pareto_in_words(table, of.metric, of.split),
        table,
    )


def paths(_: SweepSnapshot, of: SweepMetric) -> Chart:
    """Return every student as a line."""
    from sparsekd import figures

    table = figures.wide(of.students, of.split, of.metric, of.method)
    return Chart(
        figures.parallel(table, of.metric, of.split, _theme()),
        figures.parallel_in_words(table, of.metric, of.split),
        table,
    )


def stability(snapshot: SweepSnapshot, of: SweepMetric) -> Chart:
    """Return the overlap of the masks of different seeds."""
    from sparsekd import figures

    table = snapshot.frame("stability")
    return Chart(
        figures.stability(table, of.method, _theme()),
        figures.stability_in_words(table, of.method),
        table,
    )


def costs(snapshot: SweepSnapshot, _: SweepMetric) -> Chart:
    """Return the time that each stage took."""
    from sparsekd import figures

    table = snapshot.frame("costs")
    return Chart(figures.costs(table, _theme()), figures.costs_in_words(table), table)


KINDS = {
    "curve": ChartKind(
        "Against sparsity",
        "Top: the student. Middle: its teacher alone; the more accurate teacher need not make the "
        "better student. Bottom: the distance of the teacher's answers to the trial student's.",
        curve,
    ),
    "map": ChartKind(
        "λ × sparsity",
        "Each cell is the mean over its seeds. Click a cell, or choose λ and sparsity, to list "
        "its seeds.",
        grid,
    ),
    "front": ChartKind(
        "Size and speed",
        "The Pareto front of quality and size. Latency is shown where it was measured on the page "
        "Mask.",
        front,
    ),
    "paths": ChartKind(
        "Every student",
        "One line per student, from λ and sparsity to its quality on both splits.",
        paths,
    ),
    "stability": ChartKind(
        "Mask stability",
        "Whether the scores of different seeds remove the same heads and neurons.",
        stability,
    ),
    "costs": ChartKind("Cost", "Runs and seconds spent, by stage.", costs),
}


# --- the report ------------------------------------------------------------------------------


def draw_report(of: SweepMetric) -> None:
    """Draw a button that writes the whole study into one HTML file."""
    from sparsekd.figures.report.download import report_bytes

    st.download_button(
        "Download the report",
        lambda: report_bytes([of.plan], of.metric, of.split),
        f"trade-offs-{of.plan.id}.html",
        "text/html",
        key=f"{of.key}.report",
        icon=":material/article:",
        on_click="ignore",
        help="One HTML file with verdicts, charts and tables. It opens offline.",
    )
