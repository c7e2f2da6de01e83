"""What an ablation measured, in words and tables, against values by hand."""

from typing import Any

import numpy as np
import pytest

from sparsekd.units import ablation_tables, ablation_words
from sparsekd.units.ablation import GROUPS, HEADS, NEURONS, Ablation, ranked_groups

LAYERS, WIDTH, NEURON_COUNT = 2, 2, 6


def ablation(loss: list[list[float]], metric: str = "accuracy", single: int | None = 1) -> Ablation:
    arrays: dict[str, Any] = {name: np.zeros((LAYERS, WIDTH)) for name in HEADS}
    arrays |= {name: np.zeros((LAYERS, 3)) for name in GROUPS}
    arrays |= {name: np.array([0.0, 3.0, 1.0, 3.0, -1.0, 2.0]) for name in NEURONS}
    arrays |= {"head_task_loss": np.array(loss), "head_metric": -np.array(loss) / 10}
    arrays |= {"dense": np.array([0.25, 0.9, 0.1]), "neuron_layer": single}
    arrays["groups"] = ranked_groups(np.arange(12.0).reshape(LAYERS, NEURON_COUNT), 3)
    made = {"metric": metric, "examples": 1234, "split": "validation_matched"}
    return Ablation(**arrays, provenance=made | {"ranked_by": "magnitude"})


def test_the_summary_names_the_most_harmful_head_and_counts_the_harmless() -> None:
    text = ablation_words.summary(ablation([[0.0, 0.5], [-0.1, 0.2]]), "task_loss")

    assert text.startswith("The dense teacher's task loss is 0.25.")
    assert "Without **layer 1, head 2** it changes by **+0.5**: the most harmful removal" in text
    assert "of 4 heads. **2** of them do no harm" in text
    assert text.endswith("on 1,234 examples of validation_matched.")


def test_a_falling_metric_is_the_harm() -> None:
    text = ablation_words.summary(ablation([[0.0, 0.5], [-0.1, 0.2]]), "metric", str.upper)

    assert "dense teacher's accuracy is 0.9." in text
    assert "Without **layer 1, head 2** it changes by **-0.05**" in text
    assert "VALIDATION_MATCHED" in text


def test_where_nothing_harms_the_head_is_the_least_helpful_to_remove() -> None:
    text = ablation_words.summary(ablation([[-0.3, -0.5], [-0.1, -0.2]]), "task_loss")

    assert "**layer 2, head 1** it changes by **-0.1**: the least helpful removal" in text


@pytest.mark.parametrize(("metric", "title"), [("accuracy", "Accuracy"), ("own", "own")])
def test_the_metric_is_the_task_s(metric: str, title: str) -> None:
    assert ablation_words.title(ablation([[0, 0], [0, 0]], metric), "metric") == title


def test_a_table_has_every_measure_of_every_removal() -> None:
    found = ablation([[0.0, 0.5], [-0.1, 0.2]])

    heads = ablation_tables.changes(found, "head")
    assert set(heads.columns) == {
        *("layer", "head"),
        *("Task loss", "Accuracy", "Distance to the student"),
    }
    assert heads["Task loss"].tolist() == [0.0, 0.5, -0.1, 0.2]
    neurons = ablation_tables.changes(found, "neuron")
    assert neurons["layer"].tolist() == [2] * NEURON_COUNT
    assert len(ablation_tables.changes(found, "group")) == LAYERS * 3


def test_places_follow_the_order_of_the_ablation() -> None:
    found = ablation([[0.0, 0.5], [-0.1, 0.2]], single=0)

    assert ablation_tables.places(found, "head").tolist() == [[1, 1], [1, 2], [2, 1], [2, 2]]
    assert ablation_tables.places(found, "neuron")[-1].tolist() == [1, NEURON_COUNT]


def test_neurons_come_by_harm_and_ties_by_index() -> None:
    found = ablation([[0.0, 0.5], [-0.1, 0.2]])

    assert ablation_tables.by_harm(found, "task_loss").tolist() == [1, 3, 5, 2, 0, 4]
    assert ablation_tables.by_harm(found, "metric").tolist() == [4, 0, 2, 5, 1, 3]
