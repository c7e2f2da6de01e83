"""How well scores predict what removal really does: a table, words, and a scatter to click."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import pandas as pd
import streamlit as st

from pages.parts.explain import ablation_view
from pages.parts.explain.fidelity_chart import OUTLIERS, plot_fidelity
from pages.parts.scores_and_mask import cached_scores
from pages.parts.shell import figure_theme, frame, url_state
from sparsekd.catalog import rankings
from sparsekd.runs import ablations
from sparsekd.runs.records import Run
from sparsekd.units import (
    ablation_tables,
    ablation_words,
    fidelity,
    fidelity_tables,
    fidelity_words,
    harm,
)
from sparsekd.units.ablation import Ablation, Measure
from sparsekd.units.fidelity import Compared, Ranks
from sparsekd.units.harm import Granularity

Choice = tuple[Granularity, Measure, Compared]

COMPARED_HELP = (
    "Harm: how much worse the removal makes it; a removal that helps counts as negative. "
    "Size: how much it changes at all, for better or worse."
)


def draw_fidelity(scores_run: Run, ablation_run: Run, files: Mapping[str, Path]) -> None:
    """Draw every score against the ablation, with intervals; a click chooses a unit.

    Args:
        files: Other score files, by the name to show.
    """
    truth, scores = ablation_view.load(ablation_run), cached_scores.load(scores_run)
    harm.check_same_teacher(scores.shape, truth)
    state = url_state.read()
    keys = ablations.fingerprints(files)
    ranks = ablations.all_rankings(scores, ablation_run, state.lam, state.normalise, files)
    choice = _choose_comparison(truth)
    granularity, measure, compared = choice
    table = _table(
        str(scores_run.folder),
        str(ablation_run.folder),
        ablation_run.finished or 0.0,
        keys,
        state.lam,
        state.normalise,
        granularity,
        compared,
        _ranks=ranks,
        _truth=truth,
    )
    _draw_findings(
        table[table["truth"] == measure], granularity, f"fidelity.{'.'.join(choice[:2])}"
    )
    _draw_scatter(ranks, truth, choice)


@st.cache_data(max_entries=64, show_spinner="Comparing …")
def _table(
    scores: str,
    ablation: str,
    finished: float,
    files: tuple[tuple[str, str, float], ...],
    lam: float,
    normalise: str,
    granularity: Granularity,
    compared: Compared,
    _ranks: dict[str, Ranks],
    _truth: Ablation,
) -> pd.DataFrame:
    return fidelity.table(_ranks, _truth, granularity=granularity, compared=compared)


def _choose_comparison(truth: Ablation) -> Choice:
    """Choose which units, which effect, and how it is compared."""
    place = st.container(horizontal=True)  # wraps where three controls are too wide
    granularity: Granularity = place.segmented_control(
        "Units",
        harm.granularities(truth),
        default="head",
        required=True,
        key="fidelity.what",
        format_func=lambda name: fidelity_words.UNITS[name],
    )
    measure: Measure = place.segmented_control(
        "Effect on",
        list(truth.measures),
        default="task_loss",
        required=True,
        key="fidelity.kind",
        format_func=lambda name: ablation_words.title(truth, name),
    )
    compared: Compared = place.segmented_control(
        "Compared",
        list(fidelity_words.COMPARED),
        default="harm",
        required=True,
        key="fidelity.compared",
        format_func=lambda name: fidelity_words.COMPARED[name],
        help=COMPARED_HELP,
    )
    return granularity, measure, compared


def _draw_findings(table: pd.DataFrame, granularity: Granularity, key: str) -> None:
    """Draw which scores are better than random, in words and with every statistic."""
    for finding in fidelity_words.findings(table, granularity, frame.plain):
        if finding.verdict == fidelity.BETTER:
            st.success(finding.sentence, icon=":material/trending_up:")
        else:
            st.warning(finding.sentence, icon=":material/casino:")
    st.caption(
        "By the 95% interval of Spearman's ρ, from resampling the "
        f"{fidelity_words.units_text(table, granularity)}; about 5 of 100 random scores are "
        "called better or worse by chance."
    )
    compared = set(table["score"])
    for card in map(rankings.find, rankings.names("weights")):
        if card.symbol not in compared:
            st.caption(f"{card.title} is missing: this ablation run did not save it.")
    shown = fidelity_tables.readable(table)
    st.dataframe(shown, hide_index=True, width="stretch", key=f"{key}.shown")
    frame.draw_download(table, "fidelity", f"{key}.csv")


# --- the scatter -----------------------------------------------------------------------------


def _draw_scatter(ranks: dict[str, Ranks], truth: Ablation, choice: Choice) -> None:
    granularity, measure, compared = choice
    name = st.selectbox(
        "Score",
        list(ranks),
        index=list(ranks).index(f"K({ablations.DEFAULT_LAM:g})"),
        key="fidelity.score",
        help="Ringed: the units whose ranks by this score and by the effect differ most.",
    )
    score = fidelity.scores_of_removals(ranks[name], truth, granularity, name)
    effect = fidelity.effects_of_removals(truth, granularity, measure, compared)
    axis = fidelity_words.effect_axis(ablation_words.title(truth, measure), measure, compared)
    places = ablation_tables.places(truth, granularity)
    key = f"fidelity.scatter.{granularity}"
    click: Callable[[], None] | Literal["ignore"] = (
        "ignore" if granularity == "group" else partial(store_click, key, granularity)
    )
    st.plotly_chart(
        plot_fidelity(score, effect, places, granularity, (name, axis)),
        width="stretch",
        key=key,
        config=figure_theme.CONFIG,
        alt=f"{name} of each of {score.size} {fidelity_words.UNITS[granularity].lower()} against "
        f"the {fidelity_words.COMPARED[compared].lower()} of its removal.",
        on_select=click,
        selection_mode="points",
    )
    if granularity != "group":
        st.caption("Click a unit to see why it is removed or kept.")
    table = fidelity_tables.ranks(score, effect, truth, granularity)
    st.markdown("**Largest disagreements** · rank 1 is the highest")
    far = table.iloc[fidelity.outliers(score, effect, OUTLIERS)]
    st.dataframe(far, hide_index=True, width="stretch", key=f"fidelity.{granularity}.far")
    frame.draw_table(
        table, "score-and-effect", f"fidelity.{granularity}.all", "Every unit as a table"
    )


def store_click(key: str, granularity: Granularity) -> None:
    """Copy the clicked unit into the choices that the card and the address bar show."""
    points = st.session_state[key].selection.points
    if points:
        cell = points[0]["customdata"]  # Streamlit hands it back as a dict of positions
        st.session_state["url.unit"] = granularity
        st.session_state["url.layer"] = int(cell["0"]) - 1
        st.session_state["url.index"] = int(cell["1"]) - 1
