"""Quality measured over λ and sparsity for some scores: of students, of masked teachers."""

from pathlib import Path

import pandas as pd
import streamlit as st

from pages.parts.pad.payload import Surface
from pages.parts.sweep import sweep_frames
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.runs import store
from sparsekd.runs.records import Plan, Run
from sparsekd.studies.masked_teacher import masked_quality
from sparsekd.studies.sweeps import sweep
from sparsekd.studies.sweeps.sweep_metric import default_sweep_metric
from sparsekd.studies.sweeps.sweep_spec import SHARED_MASK_FIELDS


def of_scores(scores: Run, params: MaskParams) -> list[Surface]:
    """Return the students of a trade-off study of these scores, then the masked teacher.

    Raises:
        BadInput: a probe's table is missing or broken.
    """
    found = [*_of_students(scores, params), *_of_masked_teacher(scores, params)]
    return [each for each in found if len(each.points)]


def read_table(folder: Path) -> pd.DataFrame:
    """Read the table of a probing run, once for all visitors."""
    return _read_folder(str(folder))


@st.cache_data(max_entries=64, show_spinner=False)
def _read_folder(folder: str) -> pd.DataFrame:
    return masked_quality.read_table(Path(folder))


def _of_students(scores: Run, params: MaskParams) -> list[Surface]:
    """Return the newest finished trade-off study of these scores and this kind of mask."""
    for plan in store.plans():
        if plan.kind != "sweep" or not _asks(plan, scores, params):
            continue
        snapshot = sweep_frames.take_snapshot(plan)
        of = default_sweep_metric(plan, snapshot.frame("students"))
        if of is not None:
            cells = snapshot.grid(of).rename(columns={"lam": "λ", "mean": "value"})
            return [Surface(f"{of.title} of students ({of.split})", cells.dropna(subset=["value"]))]
    return []


def _asks(plan: Plan, scores: Run, params: MaskParams) -> bool:
    """Return whether a study has these scores, and masks rounded and scaled in this way."""
    if all(step.recipe.run_id != scores.id for step in plan.steps):
        return False
    mask = sweep.spec_of(plan).mask
    return all(getattr(mask, name) == getattr(params, name) for name in SHARED_MASK_FIELDS)


def _of_masked_teacher(scores: Run, params: MaskParams) -> list[Surface]:
    """Return the task's metric and the distance to the trial student, where a probe has them."""
    known = masked_quality.measured(scores, params, read_table)
    points = known.dropna(subset=["lam"]).rename(columns={"lam": "λ"})
    titles = {
        name: f"{masked_quality.title(name)} of the masked teacher"
        for name in masked_quality.metrics(known)[:1]
    }
    titles |= {"distance": masked_quality.title("distance")} if titles else {}
    return [
        Surface(title, points.assign(value=points[name])[["λ", "sparsity", "value"]])
        for name, title in titles.items()
    ]
