"""Scores as the pages read them: which runs there are, and what they say of one unit.

Caches are keyed by run folders, never by arrays.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from pages.parts.shell import frame, url_state
from sparsekd.catalog.stage_parameters import ScoreParams
from sparsekd.runs import store
from sparsekd.runs.records import Run, State
from sparsekd.units import masking
from sparsekd.units.scores import Scores

Matrix = NDArray[np.floating[Any]]


def finished() -> list[Run]:
    """Scores that exist, the newest first."""
    return store.runs("score", [State.DONE])


def choose() -> Run | None:
    """The scores run of the address bar, or the newest of the study; None before the first."""
    runs = {run.id: run for run in finished()}
    if not runs:
        return None
    latest = _latest(runs)
    key = url_state.bound("scores")
    wanted = str(st.session_state[key])
    found = next((name for name in runs if wanted and name.startswith(wanted)), "")
    if wanted and not found:
        st.warning(f"There are no finished scores {wanted}: these are the latest.")
    st.session_state[key] = found or latest
    chosen = st.selectbox(
        "Scores",
        list(runs),
        format_func=lambda name: words(runs[name]),
        key=key,
        help="One teacher, measured for one trial student; the newest first.",
    )
    url_state.write(scores="" if chosen == latest else chosen)
    return runs[chosen]


def _latest(runs: dict[str, Run]) -> str:
    """The newest scores of the chosen study, or of all where it has none."""
    study = frame.current_study()
    of_study = [step.recipe.run_id for step in study.steps] if study else []
    return next((name for name in runs if name in of_study), next(iter(runs)))


def words(run: Run) -> str:
    """One scores run in a line."""
    asked = params(run)
    per_batch = f"per batch of {asked.batch_size}"
    how = per_batch if asked.aggregate == "per_batch" else "per example"
    student = run.recipe.inputs["student"].split("#")[0]
    return f"{run.recipe.task} · {asked.split}, {how} · for student {student} · run {run.id}"


def params(run: Run) -> ScoreParams:
    """How a run measured its scores."""
    return ScoreParams.of(run.recipe.params["score"])


def load(run: Run) -> Scores:
    """The raw scores of a run.

    Raises:
        NotFound, BadInput: the file is missing or broken, or holds NaN.
    """
    found: Scores = _load(str(run.folder))
    return found


@st.cache_data(max_entries=32, show_spinner=False)  # type: ignore[untyped-decorator]
def _load(folder: str) -> Scores:
    return Scores.load(Path(folder) / "scores.npz")


@dataclass(frozen=True)
class Unit:
    """Everything known about one head or neuron; `place` 1 is the first of its pool to go."""

    expressiveness: float
    friendliness: float
    normalised_expressiveness: float
    normalised_friendliness: float
    worth: float
    place: int
    pool: int


def unit(scores: Scores, lam: float, normalise: str, kind: str, layer: int, index: int) -> Unit:
    """One unit's scores and its place in the order of removal, ties by (layer, index)."""
    heads, neurons = masking.knowledgeableness(scores, lam, normalise)
    of_heads = kind == "head"
    worth = heads if of_heads else neurons
    e = scores.head_expressiveness if of_heads else scores.neuron_expressiveness
    f = scores.head_friendliness if of_heads else scores.neuron_friendliness
    flat, own = worth.ravel(), layer * worth.shape[1] + index
    before = (flat < flat[own]).sum() + (flat[:own] == flat[own]).sum()
    return Unit(
        float(e[layer, index]),
        float(f[layer, index]),
        float(masking.normalised(e)[layer, index]),
        float(masking.normalised(f)[layer, index]),
        float(flat[own]),
        int(before) + 1,
        flat.size,
    )


def agreement(expressiveness: Matrix, friendliness: Matrix) -> float:
    """Rank correlation of the two scores over all units; NaN where one is constant.

    Shapes: (L, U), (L, U).
    """
    both = pd.DataFrame({"e": expressiveness.ravel(), "f": friendliness.ravel()}).rank()
    return float(both["e"].corr(both["f"]))


def in_words(correlation: float) -> str:
    """A rank correlation as a verb."""
    if np.isnan(correlation):
        return "cannot be compared"
    if correlation > 0.7:
        return "mostly agree"
    return "partly agree" if correlation > 0.3 else "disagree"


def extremes(heads: Matrix) -> tuple[str, str]:
    """The heads of highest and lowest value, in words.

    Shapes: (L, H).
    """
    return _name(heads, int(heads.argmax())), _name(heads, int(heads.argmin()))


def _name(heads: Matrix, flat: int) -> str:
    layer, head = divmod(flat, heads.shape[1])
    return f"layer {layer + 1}, head {head + 1}"


def table(matrices: dict[str, Matrix], unit: str) -> pd.DataFrame:
    """One row per unit: layer and number (from 1), and its values by name.

    Shapes: each (L, U).
    """
    layer, index = np.indices(next(iter(matrices.values())).shape) + 1
    columns = {"layer": layer.ravel(), unit: index.ravel()}
    return pd.DataFrame(columns | {name: values.ravel() for name, values in matrices.items()})


def per_layer(matrices: dict[str, Matrix]) -> pd.DataFrame:
    """One row per layer: the mean and the largest of each quantity.

    Shapes: each (L, U).
    """
    columns = {"layer": np.arange(1, len(next(iter(matrices.values()))) + 1)}
    for name, values in matrices.items():
        columns[f"{name}, mean"] = values.mean(axis=1)
        columns[f"{name}, largest"] = values.max(axis=1)
    return pd.DataFrame(columns)
