"""How good a masked teacher is over sparsity, from the probe runs of its scores."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd

from sparsekd.catalog import rankings
from sparsekd.catalog.stage_parameters import MaskParams, ProbeParams
from sparsekd.errors import BadInput
from sparsekd.runs import store
from sparsekd.runs.records import Recipe, Run, State
from sparsekd.studies import recipes
from sparsekd.studies.sweeps import sweep_spec
from sparsekd.tasks.metrics import METRICS

PLAIN = ("ranking", "lam", "sparsity", "loss", "distance", "heads", "neurons")
"""Columns of a probe's table that are no metric of the task."""

CONTROLS = ("λ 1", "λ 0", *rankings.CONTROLS)
LAMS = sweep_spec.DEFAULT_LAMBDAS
CLOSE = 1e-9
HELP = {
    "loss": "Mean task loss on the probe set; lower is better.",
    "distance": "Mean KL divergence of the masked teacher's softened outputs (T = 2) from the "
    "trial student's; for regression the mean squared difference. Lower: nearer to the student.",
}


def read_table(folder: Path) -> pd.DataFrame:
    """Read the table of the probing run in this folder.

    Raises:
        BadInput: the table is missing or broken.
    """
    try:
        return pd.read_parquet(folder / "probe.parquet")
    except (OSError, ValueError) as error:
        raise BadInput(
            f"The table of probe run {folder.name} is missing or broken.",
            "Delete that run on the Runs page and measure again.",
        ) from error


def measured(
    scores: Run, params: MaskParams, read: Callable[[Path], pd.DataFrame] = read_table
) -> pd.DataFrame:
    """Return every point that probes of these scores have measured in the same setting.

    Args:
        read: A cached `read_table`.

    Raises:
        BadInput: a probe's table is missing or broken.
    """
    alike = [
        run
        for run in store.runs("probe", [State.DONE], scores.recipe.task)
        if run.recipe.inputs["scores"] == scores.id and _same_setting(run, params)
    ]
    tables = [read(run.folder) for run in reversed(alike)]
    if not tables:
        return pd.DataFrame(columns=list(PLAIN))
    return pd.concat(tables).drop_duplicates(["ranking", "sparsity"], keep="last")


def _same_setting(run: Run, params: MaskParams) -> bool:
    probe = ProbeParams.of(run.recipe.params["probe"])
    same = ("round_to", "normalise", "neuron_sparsity")
    return probe.examples == ProbeParams().examples and all(
        getattr(probe, name) == getattr(params, name) for name in same
    )


def curves(scores: Run, params: MaskParams, lams: tuple[float, ...]) -> Recipe:
    """Return the probe of these λ over the usual sparsities, with controls."""
    return _probe(scores, params, {"lams": lams})


def one_mask(scores: Run, params: MaskParams) -> Recipe:
    """Return the probe of exactly this mask."""
    point: dict[str, object] = {
        "lams": (params.lam,),
        "sparsities": (params.sparsity,),
        "controls": False,
    }
    return _probe(scores, params, point)


def _probe(scores: Run, params: MaskParams, points: dict[str, object]) -> Recipe:
    setting = {
        "round_to": params.round_to,
        "normalise": params.normalise,
        "neuron_sparsity": params.neuron_sparsity,
    }
    probe = ProbeParams.of(setting | points)
    inputs, length = scores.recipe.inputs, scores.recipe.params["max_length"]
    return recipes.probe(
        scores.recipe.task, inputs["teacher"], inputs["student"], scores.id, probe, length
    )


def complete(known: pd.DataFrame, lams: tuple[float, ...]) -> bool:
    """Return whether every usual sparsity of these λ and of the controls is measured."""
    usual = ProbeParams().sparsities
    counts = known[known["sparsity"].isin(usual)].groupby("ranking").size()
    wanted = {_name(lam) for lam in lams} | set(CONTROLS)
    return all(counts.get(name, 0) >= len(usual) for name in wanted)


def under_way(recipe: Recipe) -> bool:
    """Return whether a run of this recipe exists and has not failed."""
    run = store.get_many([recipe.run_id]).get(recipe.run_id)
    return run is not None and run.state is not State.FAILED


def at(known: pd.DataFrame, params: MaskParams) -> pd.DataFrame:
    """Return the row of the mask with these parameters; none where it was not measured."""
    close = (known["sparsity"] - params.sparsity).abs() < CLOSE
    return known[(known["ranking"] == _name(params.lam)) & close]


def unmasked(known: pd.DataFrame) -> pd.DataFrame:
    """Return the row of the whole teacher; none where it was not measured."""
    return known[known["sparsity"] == 0].head(1)


def metrics(known: pd.DataFrame) -> list[str]:
    """Return the task's metrics among the columns."""
    return [name for name in known.columns if name not in PLAIN]


def is_control(name: str) -> bool:
    """Return whether a ranking is a control of the curves."""
    return name in CONTROLS


def order(known: pd.DataFrame, params: MaskParams) -> list[str]:
    """Return the rankings in the order of a legend: this λ, other λ, controls."""
    own = _name(params.lam)
    names = (str(name) for name in known["ranking"].unique())
    return sorted(names, key=lambda name: (name != own, is_control(name), name))


def title(name: str) -> str:
    """Return a column of a probe's table in words."""
    if name in METRICS:
        return METRICS[name].title
    return {"distance": "Distance to the trial student", "loss": "Loss"}.get(name, name)


def _name(lam: float) -> str:
    return f"λ {lam:g}"
