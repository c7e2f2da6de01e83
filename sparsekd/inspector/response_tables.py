"""Responses of the inspector as tables and matrices."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sparsekd.inspector import token_text
from sparsekd.inspector.protocol import AttributionResponse, TopTokensResponse
from sparsekd.tasks import TaskCard
from sparsekd.tasks.predictions import predicted, probabilities

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
