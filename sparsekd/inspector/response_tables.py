"""Responses of the inspector as tables and matrices."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.inspector import token_text
from sparsekd.inspector.protocol import (
    AttributionResponse,
    PredictionResponse,
    TokenisedResponse,
    TopTokensResponse,
)
from sparsekd.tasks import TaskCard
from sparsekd.tasks.predictions import predicted, probabilities

SHOWN = 12  # classes in a table: those likeliest to some model

Predictions = Mapping[str, PredictionResponse]
"""Predictions for one example by the name of the model."""
Attributions = Mapping[str, AttributionResponse]
"""Attributions of one example by the name of the model."""


def attention(rows: NDArray[np.float32], tokens: list[str]) -> pd.DataFrame:
    """Return one row per attending token ("from"), one column per token attended to.

    Shapes: rows (T, T).
    """
    names = token_text.numbered(tokens)
    table = pd.DataFrame(rows, columns=names)
    table.insert(0, "from", names)
    return table


def top_tokens(response: TopTokensResponse, neuron: int) -> pd.DataFrame:
    """Return one row per token at which a neuron is most active: activation, token, its text."""
    places = zip(
        response.values[neuron], response.rows[neuron], response.positions[neuron], strict=True
    )
    rows = []
    for value, row, position in places:
        tokens = response.tokens[str(row)]
        text = token_text.joined(tokens, int(position))
        rows.append((float(value), token_text.visible(tokens[position]), text))
    return pd.DataFrame(rows, columns=["activation", "token", "in its text"])


def predictions(card: TaskCard, found: Predictions, temperature: float = 1.0) -> pd.DataFrame:
    """Return one row per model: its prediction, and each class's probability at a temperature.

    The temperature divides the logits, so it changes no prediction; a number has none. Of more
    than 12 classes, those that are likeliest to some model.
    """
    answers = [predicted(card, response.logits) for response in found.values()]
    table = pd.DataFrame({"model": list(found), "prediction": answers})
    if not card.labels:
        return table
    logits = np.stack([response.logits for response in found.values()])
    shares = probabilities(card.kind, logits / temperature)
    shown = np.sort(np.argsort(-shares.max(axis=0), kind="stable")[:SHOWN])
    return table.assign(**{f"p({card.labels[place]})": shares[:, place] for place in shown})


def shortened(found: Mapping[str, TokenisedResponse]) -> dict[tuple[int, int], list[str]]:
    """Return the models whose text was cut off, by the tokens that they read and would have read.

    Models of other tokenizers or lengths read other parts of a text.
    """
    groups: dict[tuple[int, int], list[str]] = {}
    for name, response in found.items():
        if response.cut:
            count = len(response.tokens)
            groups.setdefault((count, count + response.cut), []).append(name)
    return groups


def contributions(found: Attributions) -> NDArray[np.float64]:
    """Return each token's contribution in each model.

    Shapes: -> (T, models).
    """
    return np.stack([response.values for response in found.values()], axis=1)


def token_contributions(found: Attributions) -> pd.DataFrame:
    """Return one row per token: its contribution in each model."""
    table = pd.DataFrame(contributions(found), columns=list(found))
    tokens = next(iter(found.values())).tokens
    table.insert(0, "token", token_text.numbered(tokens))
    return table


def by_tokens(found: Attributions) -> list[dict[str, AttributionResponse]]:
    """Return groups of models that read the same tokens."""
    groups: dict[tuple[str, ...], dict[str, AttributionResponse]] = {}
    for name, response in found.items():
        groups.setdefault(tuple(response.tokens), {})[name] = response
    return list(groups.values())


def largest(response: AttributionResponse) -> tuple[str, float]:
    """Return the word with the largest contribution, special tokens apart, and its value."""
    values = np.where(response.special, 0.0, response.values)
    place = int(np.abs(values).argmax())
    return token_text.visible(response.tokens[place]), float(values[place])


def outputs(card: TaskCard, found: Attributions) -> pd.DataFrame:
    """Return one row per model: its prediction, the explained output, the convergence delta."""
    rows = []
    for name, response in found.items():
        row: dict[str, Any] = {"model": name}
        if card.labels:
            share = probabilities(card.kind, response.logits)[response.target]
            row["prediction"] = predicted(card, response.logits)
            row[f"p({card.labels[response.target]})"] = round(float(share), 4)
        row |= {
            "output": round(response.output, 4),
            "words masked": round(response.start, 4),
            "sum of tokens": round(float(response.values.sum()), 4),
            "delta": round(response.delta, 5),
            "steps": response.steps,
        }
        rows.append(row)
    return pd.DataFrame(rows)
