"""Scores of a run, or computed from the Jacobian that it kept; cached for all visitors.

Caches are keyed by run folders and plain parameters, never by arrays.
"""

from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from sparsekd.catalog.stage_parameters import ScoreParams
from sparsekd.runs import score_runs
from sparsekd.runs.records import Run
from sparsekd.units import reordering, rescoring
from sparsekd.units.jacobians import Jacobian
from sparsekd.units.scores import Scores


def load(run: Run) -> Scores:
    """Load the raw scores of a run.

    Raises:
        NotFound, BadInput: the file is missing or broken, or holds NaN.
    """
    return _load(str(run.folder))


@st.cache_data(max_entries=32, show_spinner=False)
def _load(folder: str) -> Scores:
    return Scores.load(Path(folder) / "scores.npz")


def rescore(run: Run, student: str, params: ScoreParams) -> Scores:
    """Compute scores for another trial student or other parameters from the kept Jacobian.

    Raises:
        NotFound: no Jacobian, or no logits of the student; BadInput: files that are damaged.
    """
    return _rescore(*_files(run, student, params), params.model_dump_json())


@st.cache_data(max_entries=64, show_spinner=False)
def _rescore(jacobian: str, logits: str, params: str) -> Scores:
    student = score_runs.load_logits(Path(logits))
    asked = ScoreParams.model_validate_json(params)
    return rescoring.rescore(Jacobian.open(Path(jacobian)), student, asked)


def shared_removals(
    run: Run, student: str, params: ScoreParams, lam: float, normalise: str
) -> NDArray[np.float64]:
    """Compute which share of the removed half is removed again after shuffles of the data.

    Shapes: -> (shuffles, 2): heads, neurons.
    """
    files = _files(run, student, params)
    return _shared_removals(*files, params.model_dump_json(), lam, normalise)


@st.cache_data(max_entries=16, show_spinner="Shuffling …")
def _shared_removals(
    jacobian: str, logits: str, params: str, lam: float, normalise: str
) -> NDArray[np.float64]:
    student = score_runs.load_logits(Path(logits))
    asked = ScoreParams.model_validate_json(params)
    return reordering.shared_removals(Jacobian.open(Path(jacobian)), student, asked, lam, normalise)


def _files(run: Run, student: str, params: ScoreParams) -> tuple[str, str]:
    """Return the paths of the Jacobian and of the student's logits."""
    logits = score_runs.logits_file(student, params.split)
    return str(score_runs.jacobian_folder(run)), str(logits)
