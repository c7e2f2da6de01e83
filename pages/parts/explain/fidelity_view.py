"""Do the scores foretell what removal really does? A table, words, and a scatter to click."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from pages.parts.explain import ablation_view
from pages.parts.explain.fidelity_chart import OUTLIERS, scatter
from pages.parts.scores_and_mask import cached_scores
from pages.parts.shell import frame, looks, url_state
from sparsekd.errors import NotFound
from sparsekd.runs.records import Run
from sparsekd.units import fidelity, harm
from sparsekd.units.ablation import Ablation, Measure
from sparsekd.units.fidelity import Compared, Ranks
from sparsekd.units.harm import Granularity
from sparsekd.units.scores import Scores

Row = NDArray[np.float64]

WHAT = {"head": "Heads", "group": "Groups of neurons", "neuron": "Single neurons"}
COMPARED = {"harm": "Harm", "size": "Size of the change"}
COMPARED_HELP = (
    "Harm: how much worse the removal makes it; a removal that helps counts below nothing. "
    "Size: how much it changes at all, for better or worse."
)


def show(scores_run: Run, ablation_run: Run, more: Mapping[str, Path] | None = None) -> None:
    """Every score against the ablation, with intervals and words; a click chooses a unit.

    Args:
        more: Score files from elsewhere, by the name to show.
    """
    truth = ablation_view.load(ablation_run)
    harm.check_same_teacher(cached_scores.load(scores_run).shape, truth)
    ranks = rankings(scores_run, ablation_run, more or {})
    what, kind, compared = _ask(truth)
    table = _table(
        str(scores_run.folder), str(ablation_run.folder), ablation_run.finished or 0.0,
        _stamps(more or {}), *_how(), what, compared, _ranks=ranks, _truth=truth,
    )  # fmt: skip
    chosen = table[table["truth"] == kind]
    _answer(chosen, what)
    _figures(chosen, f"fidelity.{what}.{kind}")
    _scatter(ranks, truth, what, kind, compared)


def rankings(scores_run: Run, ablation_run: Run, more: Mapping[str, Path]) -> dict[str, Ranks]:
    """E, F, K at λ = 0.5 and at the page's λ, magnitude, chance, and the scores from elsewhere."""
    lam, normalise = _how()
    lams = list(dict.fromkeys((0.5, lam)))
    beside = ablation_run.folder / "magnitude.npz"
    norms = Scores.load(beside) if beside.exists() else None
    magnitude = (norms.head_expressiveness, norms.neuron_expressiveness) if norms else None
    found = fidelity.rankings(cached_scores.load(scores_run), lams, magnitude, normalise=normalise)
    for name, path in more.items():
        found |= fidelity.rankings_of(name, Scores.load(path))
    return found


def _how() -> tuple[float, str]:
    state = url_state.read()
    return state.lam, state.normalise


def _stamps(more: Mapping[str, Path]) -> tuple[tuple[str, str, float], ...]:
    """What changes when one of the files does: the key of a kept table."""
    gone = [path for path in more.values() if not path.exists()]
    if gone:
        raise NotFound(f"The scores {gone[0].name} are gone.", "Measure them again.")
    return tuple((name, str(path), path.stat().st_mtime) for name, path in more.items())


@st.cache_data(max_entries=64, show_spinner="Comparing …")  # type: ignore[untyped-decorator]
def _table(
    scores: str, ablation: str, finished: float, more: tuple[tuple[str, str, float], ...],
    lam: float, normalise: str, what: Granularity, compared: Compared,
    _ranks: dict[str, Ranks], _truth: Ablation,
) -> pd.DataFrame:  # fmt: skip
    return fidelity.table(_ranks, _truth, granularity=what, compared=compared)


def _ask(truth: Ablation) -> tuple[Granularity, Measure, Compared]:
    """Which units, which effect, and how it is compared."""
    place = st.container(horizontal=True)  # wraps where three controls are too wide
    what: Granularity = place.segmented_control(
        "Units", harm.granularities(truth), default="head", required=True, key="fidelity.what",
        format_func=lambda name: WHAT[name],
    )  # fmt: skip
    kind: Measure = place.segmented_control(
        "Effect on", list(truth.measures), default="task_loss", required=True, key="fidelity.kind",
        format_func=lambda name: ablation_view.title(truth, name),
    )  # fmt: skip
    compared: Compared = place.segmented_control(
        "Compared", list(COMPARED), default="harm", required=True, key="fidelity.compared",
        format_func=lambda name: COMPARED[name], help=COMPARED_HELP,
    )  # fmt: skip
    return what, kind, compared


# --- the table -------------------------------------------------------------------------------


def _answer(table: pd.DataFrame, what: Granularity) -> None:
    """Which scores do better than chance, and which do not, in words."""
    units = f"{int(table['units'].iloc[0]):,} {WHAT[what].lower()}"
    groups = table[table["score"] != "random"].groupby("verdict", sort=False)
    found = {str(verdict): group for verdict, group in groups}
    better = found.pop(fidelity.BETTER, None)
    if better is not None:
        st.success(
            f"Better than random on {units}: {_listed(better)}.", icon=":material/trending_up:"
        )
    for verdict, group in found.items():
        does = "does" if len(group) == 1 else "do"
        words = f"{_listed(group)} {does} no better than random, as far as {units} can tell"
        if verdict == fidelity.WORSE:
            words = f"{_listed(group)}: worse than random on {units}, the order is backwards"
        elif verdict == fidelity.UNKNOWN:
            words = f"{_listed(group)} cannot be judged: all of {units} are equal"
        st.warning(f"{words}.", icon=":material/casino:")
    st.caption(
        f"By the 95 % interval of Spearman's ρ, from resampling the {units}; a random score is "
        "called better or worse by luck in about 5 of 100 tables."
    )
    if "magnitude" not in set(table["score"]):
        st.caption("Magnitude is not among them: this ablation kept no weight norms.")


def _listed(group: pd.DataFrame) -> str:
    return ", ".join(
        f"**{frame.plain(str(row['score']))}** ({_number(row['spearman'])})"
        if np.isfinite(row["spearman"])
        else f"**{frame.plain(str(row['score']))}**"
        for _, row in group.iterrows()
    )


def _figures(table: pd.DataFrame, key: str) -> None:
    shown = pd.DataFrame({"Score": table["score"]})
    titles = {
        "spearman": "Spearman's ρ",
        "kendall": "Kendall's τ",
        "top_overlap": f"Top {int(table['top'].iloc[0])} in common",
    }
    for name, title in titles.items():
        columns = [table[name], table[f"{name}_low"], table[f"{name}_high"]]
        cells = zip(*columns, strict=True)
        shown[title] = [_with_interval(cell, name == "top_overlap") for cell in cells]
    shown["By chance"] = [f"{share:.0%}" for share in table["by_chance"]]
    shown["Verdict"] = table["verdict"].to_numpy()
    st.dataframe(shown, hide_index=True, width="stretch", key=f"{key}.shown")
    frame.draw_download(table, "fidelity", f"{key}.csv")


def _with_interval(cell: tuple[float, ...], share: bool) -> str:
    value, low, high = cell
    if not np.isfinite(value):
        return "–"
    if share:
        return f"{value:.0%} ({low:.0%} to {high:.0%})"
    return f"{_number(value)} ({_number(low)} to {_number(high)})"


def _number(value: float) -> str:
    return f"{value:+.2f}".replace("-", "−")


# --- the scatter -----------------------------------------------------------------------------


def _scatter(
    ranks: dict[str, Ranks], truth: Ablation, what: Granularity, kind: Measure, compared: Compared
) -> None:
    name = st.selectbox(
        "Score", list(ranks), index=list(ranks).index("K(0.5)"), key="fidelity.score",
        help="Ringed: the units that this score misjudges most, by the distance of their ranks.",
    )  # fmt: skip
    score = fidelity.scores_of_removals(ranks[name], truth, what, name)
    really = fidelity.effects_of_removals(truth, what, kind, compared)
    key = f"fidelity.scatter.{what}"
    clicks = {"on_select": partial(picked, key, what), "selection_mode": "points"}
    st.plotly_chart(
        scatter(score, really, cells(truth, what), what, _axes(truth, name, kind, compared)),
        width="stretch",
        key=key,
        config=looks.CONFIG,
        alt=f"{name} of each of {score.size} {WHAT[what].lower()} against the "
        f"{COMPARED[compared].lower()} of its removal.",
        **({} if what == "group" else clicks),
    )
    if what != "group":
        st.caption("Click a unit to see why it goes or stays.")
    _misjudged(score, really, cells(truth, what), what)


def picked(key: str, what: Granularity) -> None:
    """Copy the clicked unit into the choices that the card and the address bar show."""
    points = st.session_state[key].selection.points
    if points:
        cell = points[0]["customdata"]  # Streamlit hands it back as a dict of positions
        st.session_state["url.unit"] = what
        st.session_state["url.layer"] = int(cell["0"]) - 1
        st.session_state["url.index"] = int(cell["1"]) - 1


def cells(truth: Ablation, what: Granularity) -> NDArray[np.int64]:
    """Layer and number, from 1, of everything that was removed.

    Shapes: -> (U, 2).
    """
    places = np.indices(harm.changes(truth, what, "task_loss").shape).reshape(2, -1).T + 1
    if what == "neuron" and truth.neuron_layer is not None:
        places[:, 0] = truth.neuron_layer + 1
    return places


def _axes(truth: Ablation, name: str, kind: Measure, compared: Compared) -> tuple[str, str]:
    effect = ablation_view.title(truth, kind).lower()
    if compared == "size":
        return name, f"Size of the change of the {effect}"
    return name, f"{'Fall' if kind == 'metric' else 'Rise'} of the {effect} without the unit"


def _misjudged(score: Row, really: Row, places: NDArray[np.int64], what: Granularity) -> None:
    far = fidelity.outliers(score, really, OUTLIERS)
    table = pd.DataFrame(
        {
            "layer": places[:, 0],
            what: places[:, 1],
            "score": score,
            "effect": really,
            "rank by score": fidelity.ranks_of(score),
            "rank by effect": fidelity.ranks_of(really),
        }
    )
    st.markdown("**Most misjudged** · rank 1 is the highest")
    st.dataframe(table.iloc[far], hide_index=True, width="stretch", key=f"fidelity.{what}.far")
    frame.draw_table(table, "score-and-effect", f"fidelity.{what}.all", "Every unit as a table")
