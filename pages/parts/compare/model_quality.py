"""Charts of a model's answers: confusions, calibration, predicted against gold."""

from typing import Any

import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from pages.parts.shell import charts, frame
from sparsekd.runs.records import Run
from sparsekd.studies import majority
from sparsekd.tasks import calibration, classes, quality
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.majority import TITLES
from sparsekd.tasks.metrics import title

Array = NDArray[Any]
MATRIX = 8  # classes up to which a confusion matrix is readable
LARGEST = 15
BASELINE = (
    "Below: the score of one answer to every text, the most frequent class of the training labels "
    "(several labels: those of more than half; numbers: the mean). The loss is that of their "
    "frequencies."
)


def draw_metrics(run: Run, card: TaskCard | None) -> None:
    """Draw a finished model's reported metrics and, of a known task, the majority baseline's."""
    for split, values in run.outcome.metrics.items():
        if split == "selection":
            continue
        usual: dict[str, float] = {}
        if card:
            _draw_standing(run, card, split)
            usual = majority.scores(run, card, split)
        places = st.columns(max(3, len(values)))
        for place, (name, value) in zip(places, values.items(), strict=False):
            place.metric(
                f"{title(name)} on {split}",
                f"{value:.3f}",
                f"{TITLES[card.kind]} {usual[name]:.3f}" if card and name in usual else None,
                delta_color="off",
                delta_arrow="off",
                border=True,
                help=BASELINE if name in usual else None,
            )


def _draw_standing(run: Run, card: TaskCard, split: str) -> None:
    """Draw whether a model is above the majority baseline; a warning where it learned nothing."""
    found = majority.standing(run, card, split)
    warning = found.warning(card.kind) if found else ""
    if warning:
        st.warning(frame.plain(f"{split.capitalize()}: {warning}"), icon=":material/warning:")
    words = majority.quality_in_words(run, card, split)
    if words:
        st.markdown(frame.plain(words))


def draw_answers(run: Run, card: TaskCard, split: str, key: str) -> None:
    """Draw a finished model's answers on a split, right and wrong."""
    kept = frame.load_outputs(run, split)
    if kept is None:
        st.caption(f"This run kept no outputs on {split}.")
        return
    logits, labels = kept
    left, right = st.columns(2, gap="large")
    if card.regression:
        with left:
            draw_predictions(logits[:, 0], labels, key)
        with right:
            draw_residuals(logits[:, 0], labels, key)
        return
    with left:
        if card.multilabel:
            draw_labels(card, logits, labels, key)
        else:
            draw_confusions(logits, labels, card.labels, key)
    with right:
        draw_calibration(card, logits, labels, key)


def draw_confusions(logits: Array, labels: Array, names: tuple[str, ...], key: str) -> None:
    """Draw true classes against predicted ones: as a matrix, or the largest confusions of many.

    Shapes: logits (N, C), labels (N,).
    """
    cells = quality.confusion_table(logits, labels, names)
    hits = cells.loc[cells["true"] == cells["predicted"], "examples"].sum()
    if len(names) > MATRIX:
        _draw_largest(cells, int(hits), key)
        return
    st.markdown("**Confusion matrix**", help="Each row has the examples of one true class.")
    st.altair_chart(
        charts.confusions(cells, list(names)),
        width="stretch",
        key=f"{key}.confusions",
        alt=f"Confusion matrix: {hits} of {len(labels)} examples are on the diagonal.",
    )
    frame.draw_table(cells, "confusions", f"{key}.confusions.rows")


def _draw_largest(cells: pd.DataFrame, hits: int, key: str) -> None:
    """Draw the largest confusions of many classes, with all in the table."""
    wrong = quality.confusions(cells)
    st.markdown(
        "**Largest confusions**: true class → predicted class",
        help="The number of examples of the first class that were taken for the second.",
    )
    examples = int(cells["examples"].sum())
    if wrong.empty:
        st.caption(f"None: all {examples:,} examples are right.")
        return
    shown = wrong.head(LARGEST)
    words = (
        f"{hits:,} of {examples:,} examples are right; {len(shown)} of {len(wrong):,} confusions"
    )
    st.caption(f"{words}, of {wrong['examples'].sum():,} examples.")
    st.altair_chart(
        charts.largest_confusions(shown), width="stretch", key=f"{key}.confusions", alt=words
    )
    frame.draw_table(wrong, "confusions", f"{key}.confusions.rows")


def draw_labels(card: TaskCard, logits: Array, labels: Array, key: str) -> None:
    """Draw how often each label applies, and how well it is found.

    Shapes: logits, labels (N, C).
    """
    st.markdown("**Label by label**", help="A label is predicted where its probability exceeds ½.")
    table = classes.by_class(card, logits, labels)
    st.dataframe(table, width="stretch", hide_index=True, key=f"{key}.labels")


def draw_calibration(card: TaskCard, logits: Array, labels: Array, key: str) -> None:
    """Draw accuracy against confidence.

    Shapes: logits (N, C), labels (N,).
    """
    confidence, correct = calibration.confidences(card, logits, labels)
    bins = calibration.bins(confidence, correct)
    error, chance = calibration.error(confidence, correct), calibration.chance_error(confidence)
    st.markdown(
        f"**Calibration**: error {error:.3f}",
        help="Expected calibration error: the mean distance between the model's confidence and its "
        "accuracy. 0 is perfect; a perfectly calibrated model would show about "
        f"{chance:.3f} here, because each bin has few examples.",
    )
    st.altair_chart(
        charts.reliability(bins),
        width="stretch",
        key=f"{key}.calibration",
        alt=f"Reliability: expected calibration error {error:.3f} over {len(labels)} examples.",
    )
    frame.draw_table(bins, "calibration", f"{key}.calibration.rows")


def draw_predictions(predicted: Array, labels: Array, key: str) -> None:
    """Draw predicted numbers against gold ones.

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


def draw_residuals(predicted: Array, labels: Array, key: str) -> None:
    """Draw a histogram of the residuals.

    Shapes: predicted, labels (N,).
    """
    bars, median = quality.residuals(predicted, labels)
    st.markdown(f"**Residuals**: half are within {median:.2f}")
    st.altair_chart(
        charts.bars(bars),
        width="stretch",
        key=f"{key}.errors",
        alt=f"Histogram of residuals; median absolute residual {median:.2f}.",
    )
    frame.draw_table(bars, "errors", f"{key}.errors.rows")
