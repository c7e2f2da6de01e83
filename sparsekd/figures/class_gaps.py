"""Who loses: the change of each class from one model to another, below the change of the means."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go

from sparsekd.figures.theme import LIGHT, Theme, apply_theme, panels
from sparsekd.studies.verdict import BETTER, WORSE
from sparsekd.tasks import metrics
from sparsekd.tasks.classes import FEW

SHOWN = 20  # classes in the figure: those that lose most
LETTERS = 22  # of a label beside its row
ROW = 26  # pixels
KINDS = {
    WORSE: "worse over seeds",
    BETTER: "better over seeds",
    "": "inconclusive",
}


def class_gaps(
    changes: pd.DataFrame,
    means: pd.DataFrame,
    seeds: pd.DataFrame,
    measure: str = "recall",
    theme: Theme = LIGHT,
) -> go.Figure:
    """Draw the mean change with its interval in two panels, means and classes; a dot per seed.

    The classes that lose most stand on top, at most 20.

    Args:
        changes: The frame of `class_changes.changes`.
        means: That of `class_changes.mean_changes`.
        seeds: That of `class_changes.seed_changes`.
        measure: Which measure of the classes has changed.
    """
    classes = changes.dropna(subset=["difference"]).head(SHOWN)
    classes = classes.assign(name=[_name(row) for row in classes.to_dict("records")])
    whole = means.assign(name=[metrics.title(str(label)) for label in means["label"]])
    heights = [len(whole) + 0.6, len(classes) + 0.6]
    title = f"{measure.capitalize() if measure != 'f1' else 'F1'} of each class (examples)"
    gap = min(0.2, 52 / (ROW * sum(heights) + 52))
    figure = panels(["All examples", title], heights, gap, shared=True)
    for row, part in enumerate((whole, classes), start=1):
        for kind, name in KINDS.items():
            own = part[_kind(part) == kind]
            figure.add_trace(_marks(own, kind, name, theme), row, 1)
        _set_rows(figure, part, row)
    names = dict(zip(classes["label"], classes["name"], strict=True))
    dots = seeds[seeds["label"].isin(list(names))]
    figure.add_trace(_dots(dots, names, theme), 2, 1)
    figure.add_vline(x=0, line={"color": theme.faint, "width": 1.5, "dash": "dash"})
    figure.update_xaxes(title_text="Change in points (below 0 is a loss)", row=2, col=1)
    _keep_legend(figure)
    return apply_theme(figure, theme, int(ROW * sum(heights)) + 190)


def _kind(part: pd.DataFrame) -> pd.Series:
    return part["verdict"].where(part["verdict"].isin([WORSE, BETTER]), "")


def _name(row: dict[Any, Any]) -> str:
    label = str(row["label"])
    short = label if len(label) <= LETTERS else f"{label[: LETTERS - 1]}…"
    few = ", few" if row["examples"] < FEW else ""
    return f"{short} ({row['examples']:,}{few})"


def _marks(rows: pd.DataFrame, kind: str, name: str, theme: Theme) -> go.Scatter:
    """Draw means with intervals; verdicts differ in colour and shape."""
    colour, symbol = {
        WORSE: (theme.cross, "triangle-left"),
        BETTER: (theme.lines[0], "triangle-right"),
        "": (theme.ink, "circle-open"),
    }[kind]
    return go.Scatter(
        x=100 * rows["difference"],
        y=rows["name"],
        mode="markers",
        name=name,
        legendgroup=name,
        marker={"color": colour, "symbol": symbol, "size": 11, "line": {"width": 2}},
        error_x={
            "array": 100 * (rows["high"] - rows["difference"]),
            "arrayminus": 100 * (rows["difference"] - rows["low"]),
            "color": colour,
            "thickness": 2,
            "width": 0,
        },
        customdata=[_words(row) for row in rows.to_dict("records")],
        hovertemplate="%{customdata}<extra></extra>",
    )


def _words(row: dict[Any, Any]) -> str:
    words = f"{row['name']}: {row['before']:.3f} → {row['after']:.3f}"
    if pd.notna(row["low"]):
        words += f"<br>{100 * row['confidence']:.4g}% interval {100 * row['low']:+.1f} to "
        words += f"{100 * row['high']:+.1f} points"
    return f"{words}<br>{row['words']}"


def _dots(dots: pd.DataFrame, names: dict[str, str], theme: Theme) -> go.Scatter:
    return go.Scatter(
        x=100 * dots["difference"],
        y=[names[label] for label in dots["label"]],
        mode="markers",
        name="one seed",
        marker={"color": theme.faint, "size": 5, "opacity": 0.7},
        customdata=dots["seed"],
        hovertemplate="seed %{customdata}: %{x:+.1f} points<extra></extra>",
    )


def _set_rows(figure: go.Figure, part: pd.DataFrame, row: int) -> None:
    """Set the rows of a panel, the first on top."""
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=list(part["name"])[::-1],
        range=[-0.6, len(part) - 0.4],
        showgrid=False,
        row=row,
        col=1,
    )


def _keep_legend(figure: go.Figure) -> None:
    """Keep one entry per name that has points."""
    there: set[str] = set()
    for trace in figure.data:
        trace.showlegend = len(trace.x) > 0 and trace.name not in there
        if trace.showlegend:
            there.add(trace.name)


def class_gaps_in_words(changes: pd.DataFrame, means: pd.DataFrame) -> str:
    """Return the alternative text: the change of each mean, then of the classes."""
    parts = [
        f"{metrics.title(str(row['label']))} {100 * row['difference']:+.1f}"
        for row in means.to_dict("records")
    ]
    rows = changes.dropna(subset=["difference"])
    parts += [
        f"{row['label']} {100 * row['difference']:+.1f} ({row['verdict']})"
        for row in rows.head(SHOWN).to_dict("records")
    ]
    return f"Change in points: {'; '.join(parts) or 'nothing is finished'}."
