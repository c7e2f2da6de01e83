"""How well the models of a plan are calibrated, before and after a fitted temperature."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.runs import outputs
from sparsekd.studies import roles
from sparsekd.studies.estimates import interval
from sparsekd.studies.models import Answers
from sparsekd.tasks import calibration
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.labels import is_labelled

Sure = tuple[NDArray[Any], NDArray[Any]]
"""Confidence and correctness of each example."""
SELECTION = "selection"
ROWS = [
    *("role", "what", "seed", "confidence", "accuracy", "error", "chance"),
    *("temperature", "error_scaled", "run"),
]
SUMMARY = [
    *("role", "what", "confidence", "accuracy", "error", "low", "high", "chance"),
    *("temperature", "error_scaled", "scaled_low", "scaled_high", "seeds"),
]
BINS = ["role", "what", "scaled", "bin", "confidence", "accuracy", "examples"]


def rows(card: TaskCard, found: list[Answers]) -> pd.DataFrame:
    """Return one row per model; see `ROWS`. A regression has none.

    `error` is the expected calibration error, `chance` that of a perfectly calibrated model;
    `error_scaled` is the error after the `temperature` fitted on the selection split, NaN where
    the model kept no answers there.

    Args:
        found: The list of `models.answers`.
    """
    table = []
    for one in found if not card.regression else []:
        logits, labels = one.outputs
        temperature = _temperature(card, one)
        sure, correct = calibration.confidences(card, logits, labels)
        table.append(
            {
                "role": one.role,
                "what": roles.title(one.role),
                "seed": one.seed,
                "confidence": sure.mean(),
                "accuracy": correct.mean(),
                "error": calibration.error(sure, correct),
                "chance": calibration.chance_error(sure),
                "temperature": temperature,
                "error_scaled": calibration.error(
                    *calibration.confidences(card, logits / temperature, labels)
                )
                if np.isfinite(temperature)
                else np.nan,
                "run": one.run.id,
            }
        )
    return pd.DataFrame(table, columns=ROWS)


def _temperature(card: TaskCard, one: Answers) -> float:
    """Return the temperature fitted on the labels of the selection split that the run knew.

    NaN where it kept no answers there.
    """
    kept = outputs.load_outputs(one.run.folder, SELECTION)
    if kept is None:
        return float("nan")
    known = is_labelled(kept[1])
    return calibration.fitted_temperature(card, kept[0][known], kept[1][known])


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return means over seeds, the errors with 95% intervals, one row per role; see `SUMMARY`.

    Args:
        table: The frame of `rows`.
    """
    found = []
    for (role, what), group in table.groupby(["role", "what"], sort=False):
        low, high = interval(group["error"].to_numpy(), bounds=(0, 1))
        scaled = group["error_scaled"].to_numpy()
        scaled_low, scaled_high = interval(scaled, bounds=(0, 1))
        means = group[
            ["confidence", "accuracy", "error", "chance", "temperature", "error_scaled"]
        ].mean()
        ends = {"low": low, "high": high, "scaled_low": scaled_low, "scaled_high": scaled_high}
        names = {"role": role, "what": what, "seeds": len(group)}
        found.append(names | means.to_dict() | ends)
    return pd.DataFrame(found, columns=SUMMARY)


def bins(card: TaskCard, found: list[Answers], table: pd.DataFrame) -> pd.DataFrame:
    """Return confidence and accuracy by bin, over the examples of all seeds; see `BINS`.

    `scaled` says whether each model's temperature was applied. A regression has none.

    Args:
        found: The list of `models.answers`.
        table: The frame of `rows`, which has the temperatures.
    """
    temperatures = table.set_index("run")["temperature"]
    parts: dict[tuple[str, bool], list[Sure]] = {}
    for one in found if not card.regression else []:
        (logits, labels), temperature = one.outputs, temperatures[one.run.id]
        for scaled, divisor in ((False, 1.0), (True, temperature)):
            if np.isfinite(divisor):
                sure = calibration.confidences(card, logits / divisor, labels)
                parts.setdefault((one.role, scaled), []).append(sure)
    tables = [
        calibration.bins(*(np.concatenate(each) for each in zip(*kept, strict=True))).assign(
            role=role, what=roles.title(role), scaled=scaled
        )
        for (role, scaled), kept in parts.items()
    ]
    return pd.concat(tables, ignore_index=True)[BINS] if tables else pd.DataFrame(columns=BINS)
