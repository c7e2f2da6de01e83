"""Agreement with the dense teacher against accuracy: two questions, not one."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from sparsekd.figures.theme import LIGHT, Theme, apply_theme, panels

TITLE = "Share of examples on which student and dense teacher predict the same"
CEILING = "most that the accuracies allow"
INDEPENDENT = "if errors were independent"


def agreements(frame: pd.DataFrame, theme: Theme = LIGHT) -> go.Figure:
    """Draw each student's agreement with its teacher over its accuracy, a point per seed.

    From each point a line falls to the agreement that independent errors would give. The dashed
    line is the ceiling 1 − |difference of the accuracies|.

    Args:
        frame: Rows of `teacher_agreement.rows` with one teacher.
    """
    figure = panels([TITLE], [1.0], 0.1, shared=False)
    if len(frame):
        _draw_ceiling(figure, frame, theme)
    for place, (name, rows) in enumerate(_groups(frame)):
        _draw_falls(figure, rows, place, name, theme)
        figure.add_trace(
            go.Scatter(
                x=rows["accuracy"],
                y=rows["agreement"],
                mode="markers",
                name=name,
                legendgroup=name,
                marker=theme.marker(place) | {"size": 10},
                customdata=[_words(row) for row in rows.to_dict("records")],
                hovertemplate=f"{name}<br>%{{customdata}}<extra></extra>",
            )
        )
    figure.update_xaxes(title_text="Accuracy of the student", nticks=6)
    figure.update_yaxes(nticks=6)
    return apply_theme(figure, theme, 430)


def _groups(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for name in frame["what"].unique():
        yield str(name), frame[frame["what"] == name]


def _draw_falls(figure: go.Figure, rows: pd.DataFrame, place: int, name: str, theme: Theme) -> None:
    """Draw a line from each point to the agreement of independent errors."""
    gap = [np.nan] * len(rows)
    x = np.stack([rows["accuracy"], rows["accuracy"], gap], axis=1).ravel()
    y = np.stack([rows["agreement"], rows["independent"], gap], axis=1).ravel()
    line = {"color": theme.line(place)["color"], "width": 1.5}
    ends = {"symbol": "line-ew-open", "size": [0, 12, 0] * len(rows), "color": line["color"]}
    figure.add_trace(
        go.Scatter(
            x=x,
            y=y,
            mode="lines+markers",
            line=line,
            marker=ends | {"line": {"width": 2}},
            name=INDEPENDENT,
            legendgroup=name,
            showlegend=False,
            hoverinfo="skip",
        )
    )


def _draw_ceiling(figure: go.Figure, frame: pd.DataFrame, theme: Theme) -> None:
    teacher = float(frame["teacher_accuracy"].iloc[0])
    ends = [frame["accuracy"].min() - 0.005, frame["accuracy"].max() + 0.005]
    x = sorted([*ends, teacher] if ends[0] < teacher < ends[1] else ends)
    figure.add_trace(
        go.Scatter(
            x=x,
            y=[1 - abs(teacher - place) for place in x],
            mode="lines",
            name=CEILING,
            line={"color": theme.faint, "dash": "dash", "width": 1.5},
            hovertemplate=f"{CEILING}: %{{y:.3f}}<extra></extra>",
        )
    )


def _words(row: dict[Any, Any]) -> str:
    return (
        f"seed {row['seed']}: agreement {row['agreement']:.3f}"
        f"<br>independent errors {row['independent']:.3f}"
        f"<br>accuracy {row['accuracy']:.3f}, KL {row['divergence']:.3f}"
    )


def agreements_in_words(frame: pd.DataFrame) -> str:
    """Return the alternative text: mean agreement, and that of independent errors, by student."""
    columns = ["agreement", "independent", "accuracy"]
    means = frame.groupby("what", sort=False)[columns].mean()
    parts = [
        f"{name} {row['agreement']:.3f} (independent errors {row['independent']:.3f}, accuracy "
        f"{row['accuracy']:.3f})"
        for name, row in means.iterrows()
    ]
    head = "Agreement with the dense teacher, mean over seeds: "
    return head + ("; ".join(parts) or "nothing is finished") + "."
