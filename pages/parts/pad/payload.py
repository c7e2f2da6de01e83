"""What the pad is sent: scores, costs and measured quality as one array of bytes."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.units import masking, shape, shape_words
from sparsekd.units.scores import MATRICES, Scores
from sparsekd.units.shape import ModelShape


@dataclass(frozen=True, eq=False)
class Surface:
    """Quality that was measured over λ and sparsity.

    `points` has the columns λ, sparsity and value; `title` names metric and model.
    """

    title: str
    points: pd.DataFrame


def pack(scores: Scores, params: MaskParams, **more: Any) -> bytes:
    """Write scores and what decides a mask of them, as `readPayload` in mask.js reads it.

    Four bytes say how long the JSON is that follows; then a float64 scale for each layer of each
    matrix, by which its scores are divided, then the matrices in float32.

    Args:
        more: Further values of the JSON.
    """
    matrices = [getattr(scores, name) for name in MATRICES]
    header = {
        "shape": scores.shape,
        "lam": params.lam,
        "sparsity": params.sparsity,
        "neuron_sparsity": params.neuron_sparsity,
        "round_to": params.round_to,
    }
    text = json.dumps(header | more, allow_nan=False).encode()
    text += b" " * (-(len(text) + 4) % 8)
    return b"".join(
        [
            len(text).to_bytes(4, "little"),
            text,
            *(masking.scale(each, params.normalise).astype("<f8").tobytes() for each in matrices),
            *(each.astype("<f4").tobytes() for each in matrices),
        ]
    )


def costs(whole: ModelShape) -> list[dict[str, Any]]:
    """Return what each unit adds to the parameters and to the operations of this model."""
    tokens = shape_words.usual_length(whole)
    return [
        _cost("Parameters", whole, shape.parameters),
        _cost(f"FLOPs, {tokens} tokens", whole, lambda sizes: shape.flops(sizes, tokens)),
    ]


def _cost(name: str, whole: ModelShape, count: Any) -> dict[str, Any]:
    """Read off what a head, a neuron and a block with any of them add: counts are linear."""
    nothing = (0,) * whole.layers

    def of(heads: int, neurons: int) -> int:
        first = {"heads": (heads, *nothing[1:]), "neurons": (neurons, *nothing[1:])}
        return int(count(replace(whole, **first)))

    fixed = of(0, 0)
    head, neuron = of(2, 0) - of(1, 0), of(0, 2) - of(0, 1)
    return {
        "name": name,
        "whole": count(whole),
        "words": shape_words.short_count(count(whole)),
        "fixed": fixed,
        "head": head,
        "neuron": neuron,
        "attention": of(1, 0) - fixed - head,
        "feed_forward": of(0, 1) - fixed - neuron,
    }


def surface_values(surface: Surface) -> Mapping[str, Any]:
    """Return a surface's title and its finished points [λ, sparsity, value]."""
    points = surface.points[["λ", "sparsity", "value"]].astype(float).dropna()
    return {"title": surface.title, "points": points.to_numpy(np.float64).tolist()}
