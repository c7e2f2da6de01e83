"""How good a model is beyond one number: confusions, calibration, predicted against gold."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray
from scipy.special import softmax

from pages.parts.shell import charts, frame
from sparsekd.runs.records import Run
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.metrics import title

Array = NDArray[Any]
BINS = 10


def show(run: Run, card: TaskCard, split: str, key: str) -> None:
    """A finished model's answers on a split, right and wrong."""
    kept = frame.load_outputs(run, split)
    if kept is None:
        st.caption(f"This run kept no outputs on {split}.")
        return
    logits, labels = kept
    left, right = st.columns(2, gap="large")
    if card.regression:
        with left:
            scatter(logits[:, 0], labels, key)
        with right:
            residuals(logits[:, 0], labels, key)
        return
    with left:
        confusions(logits, labels, card.labels, key)
    with right:
        calibration(logits, labels, key)


def confusions(logits: Array, labels: Array, names: tuple[str, ...], key: str) -> None:
    """Gold classes against predicted ones.

    Shapes: logits (N, C), labels (N,).
    """
    st.markdown("**Confusions**", help="Each row holds the examples of one true class.")
    counts = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(counts, (labels, logits.argmax(axis=1)), 1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cells = pd.DataFrame(
        {
            "true": np.repeat(names, len(names)),
            "predicted": np.tile(names, len(names)),
            "examples": counts.ravel(),
            "share": shares.ravel(),
        }
    )
    hits = int(np.trace(counts))
    st.altair_chart(
        charts.confusions(cells, list(names)),
        width="stretch",
        key=f"{key}.confusions",
        alt=f"Confusion matrix: {hits} of {len(labels)} examples are on the diagonal.",
    )
    frame.draw_table(cells, "confusions", f"{key}.confusions.rows")


def calibration(logits: Array, labels: Array, key: str) -> None:
    """How often the model is right when it is this sure.

    Shapes: logits (N, C), labels (N,).
    Source: Guo et al., ICML 2017, arXiv 1706.04599 (expected calibration error, equal-width bins).
    """
    bins, error = reliability(logits, labels)
    st.markdown(
        f"**Calibration**: error {error:.3f}",
        help="Expected calibration error: the mean distance between how sure the model is and "
        "how often it is right. 0 is perfect.",
    )
    st.altair_chart(
        charts.reliability(bins),
        width="stretch",
        key=f"{key}.calibration",
        alt=f"Reliability: expected calibration error {error:.3f} over {len(labels)} examples.",
    )
    frame.draw_table(bins, "calibration", f"{key}.calibration.rows")


def reliability(logits: Array, labels: Array) -> tuple[pd.DataFrame, float]:
    """Mean confidence and accuracy per bin of confidence, and the expected calibration error.

    Shapes: logits (N, C), labels (N,).
    """
    sure = softmax(np.asarray(logits, dtype=np.float64), axis=1).max(axis=1)
    right = logits.argmax(axis=1) == labels
    places = np.minimum((sure * BINS).astype(int), BINS - 1)
    grouped = pd.DataFrame({"bin": places, "sure": sure, "right": right}).groupby("bin")
    bins = grouped.agg(sure=("sure", "mean"), right=("right", "mean"), examples=("right", "size"))
    gaps = (bins["sure"] - bins["right"]).abs() * bins["examples"]
    return bins.reset_index(drop=True), float(gaps.sum() / len(labels))


def scatter(predicted: Array, labels: Array, key: str) -> None:
    """Predicted numbers against gold ones.

    Shapes: predicted, labels (N,).
    """
    st.markdown("**Predicted against gold**")
    points = pd.DataFrame({"gold": labels, "predicted": predicted})
    st.altair_chart(
        charts.scatter(points),
        width="stretch",
        key=f"{key}.scatter",
        alt=f"Predicted against gold values of {len(labels)} examples.",
    )
    frame.draw_table(points, "predictions", f"{key}.scatter.rows")


def residuals(predicted: Array, labels: Array, key: str) -> None:
    """How far off the predictions are.

    Shapes: predicted, labels (N,).
    """
    errors = np.asarray(predicted, dtype=np.float64) - labels
    st.markdown(f"**Errors**: half are within {np.median(np.abs(errors)):.2f}")
    counts, edges = np.histogram(errors, bins=2 * BINS)
    bars = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "examples": counts})
    st.altair_chart(
        charts.bars(bars),
        width="stretch",
        key=f"{key}.errors",
        alt=f"Histogram of errors; median absolute error {np.median(np.abs(errors)):.2f}.",
    )
    frame.draw_table(bars, "errors", f"{key}.errors.rows")


def metrics(run: Run) -> None:
    """The reported metrics of a finished model, split by split."""
    for split, values in run.outcome.metrics.items():
        if split == "selection":
            continue
        places = st.columns(max(3, len(values)))
        for place, (name, value) in zip(places, values.items(), strict=False):
            place.metric(f"{title(name)} on {split}", f"{value:.3f}", border=True)
