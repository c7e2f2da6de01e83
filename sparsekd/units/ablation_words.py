"""Names and sentences about what an ablation measured."""

from collections.abc import Callable

import numpy as np

from sparsekd.catalog import rankings
from sparsekd.tasks.metrics import METRICS
from sparsekd.units import harm
from sparsekd.units.ablation import Ablation, Measure

HELP: dict[Measure, str] = {
    "task_loss": "Mean task loss with the removal minus without: above 0, the unit was needed.",
    "metric": "The task's metric with the removal minus without: below 0, the unit was needed.",
    "distance": "Mean KL divergence (T = 2) of the teacher's outputs from the student's, with the "
    "removal minus without; for regression the mean squared difference. Above 0, the teacher "
    "moves away from the student.",
}


def title(ablation: Ablation, measure: Measure) -> str:
    """Return a measure in words; the metric is the one of the task."""
    names = {"task_loss": "Task loss", "distance": "Distance to the student"}
    known = METRICS.get(ablation.metric)
    return names.get(measure) or (known.title if known else ablation.metric)


def summary(ablation: Ablation, measure: Measure, escape: Callable[[str], str] = str) -> str:
    """Return which head matters most, and how many are harmless to remove (Markdown).

    Args:
        escape: Applied to the name of the split.
    """
    harms, changes = harm.harms(ablation, "head", measure), ablation.heads(measure)
    layer, head = np.unravel_index(int(harms.argmax()), harms.shape)
    harmless = int((harms <= 0).sum())
    rank = "the most harmful" if harmless < harms.size else "the least helpful"
    made = ablation.provenance
    return (
        f"The dense teacher's {title(ablation, measure).lower()} is "
        f"{ablation.dense_value(measure):.4g}. Without **layer {layer + 1}, head {head + 1}** it "
        f"changes by **{changes[layer, head]:+.3g}**: {rank} removal of {harms.size:,} heads. "
        f"**{harmless:,}** of them do no harm to it when removed alone, on "
        f"{made['examples']:,} examples of {escape(str(made['split']))}."
    )


def grouping(ablation: Ablation) -> str:
    """Return how neurons were put into groups."""
    ranking = rankings.find(ablation.provenance.get("ranked_by", "magnitude"))
    return f"groups {ranking.phrase}, 1 the lowest"
