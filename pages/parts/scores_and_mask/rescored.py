"""Scores without a run: from the Jacobian that a scores run has kept.

Caches are keyed by run folders and plain parameters, never by arrays.
"""

from pathlib import Path

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from pages.parts.scores_and_mask import score_runs
from sparsekd.catalog.stage_parameters import ScoreParams
from sparsekd.errors import BadInput, NotFound
from sparsekd.runs import store
from sparsekd.runs.records import Run, State
from sparsekd.units import masking, rescoring
from sparsekd.units.jacobians import Jacobian
from sparsekd.units.scores import Scores

SHUFFLES = 5
HALF = 0.5


def jacobian_folder(run: Run) -> Path:
    """Where a scores run keeps the Jacobian of its teacher on its split."""
    return run.folder / "jacobian"


def keeps_jacobian(run: Run) -> bool:
    """Whether other trial students and parameters can be answered at once."""
    return (jacobian_folder(run) / "meta.json").is_file()


def trial_students(run: Run) -> list[Run]:
    """Students of the run's teacher with logits on the run's split; the run's own comes first."""
    teacher, own = run.recipe.inputs["teacher"], run.recipe.inputs["student"]
    found = [
        other
        for other in store.runs("distil", [State.DONE], run.recipe.task)
        if other.recipe.inputs["teacher"] == teacher
        and (other.id == own or _logits(other.id, score_runs.params(run).split).is_file())
    ]
    return sorted(found, key=lambda other: other.id != own)


def rescored(run: Run, student: str, asked: ScoreParams) -> Scores:
    """Scores for another trial student or other parameters, from the kept Jacobian.

    Raises:
        NotFound: no Jacobian, or no logits of the student; BadInput: files that are damaged.
    """
    logits = str(_logits(student, asked.split))
    found: Scores = _rescored(str(run.folder), logits, asked.model_dump_json())
    return found


@st.cache_data(max_entries=64, show_spinner=False)  # type: ignore[untyped-decorator]
def _rescored(folder: str, logits: str, asked: str) -> Scores:
    jacobian = Jacobian.open(Path(folder) / "jacobian")
    return rescoring.rescore(jacobian, _read(Path(logits)), ScoreParams.model_validate_json(asked))


def after_shuffles(
    run: Run, student: str, asked: ScoreParams, lam: float, normalise: str
) -> NDArray[np.float64]:
    """Share of the removed half in common with that of the same data in another order.

    Shapes: (SHUFFLES, 2): heads, neurons.
    """
    logits = str(_logits(student, asked.split))
    shares: NDArray[np.float64] = _after_shuffles(
        str(run.folder), logits, asked.model_dump_json(), lam, normalise
    )
    return shares


@st.cache_data(max_entries=16, show_spinner="Shuffling …")  # type: ignore[untyped-decorator]
def _after_shuffles(
    folder: str, logits: str, asked: str, lam: float, normalise: str
) -> NDArray[np.float64]:
    jacobian, student = Jacobian.open(Path(folder) / "jacobian"), _read(Path(logits))
    params = ScoreParams.model_validate_json(asked)
    before = _removed_half(rescoring.rescore(jacobian, student, params), lam, normalise)
    shares = []
    for seed in range(SHUFFLES):
        order = np.random.default_rng(seed).permutation(len(student))
        other = Jacobian(
            jacobian.values[order], jacobian.logits[order], jacobian.labels[order],
            jacobian.shape, jacobian.provenance,
        )  # fmt: skip
        scores = rescoring.rescore(other, student[order], params)
        after = _removed_half(scores, lam, normalise)
        shares.append([_common(one, two) for one, two in zip(before, after, strict=True)])
    return np.array(shares)


def _removed_half(scores: Scores, lam: float, normalise: str) -> list[NDArray[np.bool_]]:
    mask = masking.decide(*masking.knowledgeableness(scores, lam, normalise), HALF, round_to=1)
    return [~mask.heads, ~mask.neurons]


def _common(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / max(one.sum(), 1))


def _logits(run_id: str, split: str) -> Path:
    return store.folder(run_id) / f"logits-{split}.npy"


def _read(path: Path) -> NDArray[np.float32]:
    if not path.is_file():
        raise NotFound(
            f"There are no logits {path.name} of the trial student.",
            "Score with it as a run instead.",
        )
    try:
        logits: NDArray[np.float32] = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise BadInput(
            f"{path.name} of the trial student is damaged.", "Distil it again."
        ) from error
    return logits
