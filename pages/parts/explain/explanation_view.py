"""Why one unit is removed or kept: scores, rank, λ and sparsity at which that changes, effect."""

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages.parts.explain import ablation_view
from pages.parts.scores_and_mask import cached_scores
from pages.parts.shell import figure_theme, frame
from sparsekd.catalog.rankings import E, F, K
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.inspector.requests import Unit
from sparsekd.runs.records import Run
from sparsekd.system.wording import counted
from sparsekd.units import ablation_words, explain, explain_tables, explain_words
from sparsekd.units.ablation import Ablation
from sparsekd.units.explain import Explanation
from sparsekd.units.scores import Scores

TILE = 150  # pixels
KEPT = "#5b9a8b"


def draw_explanation(
    scores_run: Run, unit: Unit, params: MaskParams, ablation_run: Run | None = None
) -> None:
    """Draw why one unit is removed or kept by the mask with these parameters."""
    scores = cached_scores.load(scores_run)
    truth = ablation_view.load(ablation_run) if ablation_run else None
    known = (str(ablation_run.folder), ablation_run.finished or 0.0) if ablation_run else None
    found = _explain(
        str(scores_run.folder), unit, params.model_dump_json(), known, _scores=scores, _truth=truth
    )
    with st.container(border=True):
        kind, layer, index = unit
        verb = "removed" if found.removed else "kept"
        st.markdown(f"**Why is layer {layer + 1}, {kind} {index + 1} {verb}?**")
        st.markdown(explain_words.sentence(found, first=1))
        _draw_tiles(found)
        _draw_spans(found)
        _draw_effect(found, truth)


@st.cache_data(max_entries=256, show_spinner=False)
def _explain(
    folder: str,
    unit: Unit,
    params: str,
    known: tuple[str, float] | None,
    _scores: Scores,
    _truth: Ablation | None,
) -> Explanation:
    return explain.explain(_scores, *unit, MaskParams.model_validate_json(params), _truth)


def _draw_tiles(found: Explanation) -> None:
    threshold = "–" if found.lowest_kept is None else f"{found.lowest_kept:.3g}"
    tiles = (
        (
            E.symbol,
            f"{found.normalised_expressiveness:.3f}",
            f"raw {found.expressiveness:.3g}",
            f"{E.title}, normalised per layer.",
        ),
        (
            F.symbol,
            f"{found.normalised_friendliness:.3f}",
            f"raw {found.friendliness:.3g}",
            f"{F.title}, normalised per layer.",
        ),
        (
            K.symbol,
            f"{found.knowledgeableness:.3g}",
            f"threshold {threshold}",
            f"λ · E + (1 − λ) · F at λ = {found.params.lam:g}. Threshold: the lowest K of all "
            "layers that is kept before rounding.",
        ),
        (
            "Rank",
            f"{found.rank:,}",
            f"of {found.pool:,} {found.unit}s",
            "By K among the units of all layers; 1 is the highest.",
        ),
        (
            "In its layer",
            f"{found.context.units - found.context.place + 1:,}",
            f"of {found.context.units:,}; {found.context.removed:,} removed",
            "Its rank among its layer's units, and how many of them are removed.",
        ),
    )
    with st.container(horizontal=True):
        for name, value, below, words in tiles:
            st.metric(
                name, value, below, delta_color="off", delta_arrow="off", help=words, width=TILE
            )


# --- over λ and sparsity ---------------------------------------------------------------------


def _draw_spans(found: Explanation) -> None:
    """Draw where the unit is kept and where it is removed, over λ and over the sparsity."""
    changes = counted(len(found.breakpoints), "time")
    over_sparsity = "is never removed"
    if found.removal_sparsity is not None:
        over_sparsity = f"is removed from {found.removal_sparsity:.2%} on"
    table = explain_tables.spans(found)
    st.plotly_chart(
        plot_spans(found, table),
        width="stretch",
        key="explanation.spans",
        config=figure_theme.CONFIG,
        alt=f"Over λ the unit changes between kept and removed {changes}; over the sparsity it "
        f"{over_sparsity}. Crossed: removed. The lines are the current values.",
    )
    frame.draw_table(table, "spans", "explanation.table", "Exact values as a table")


def plot_spans(found: Explanation, table: pd.DataFrame) -> go.Figure:
    """Return two bars from 0 to 1, λ above the sparsity; crossed where the unit is removed."""
    colours = figure_theme.current()
    figure = go.Figure()
    for name, fill, shape in (("kept", KEPT, ""), ("removed", colours.removed, "x")):
        part = table[table["state"] == name]
        pattern = {
            "shape": shape,
            "fgcolor": colours.cross,
            "bgcolor": fill,
            "size": 8,
            "solidity": 0.15,
            "fillmode": "replace",
        }
        figure.add_trace(
            go.Bar(
                x=part["to"] - part["from"],
                base=part["from"],
                y=part["along"],
                orientation="h",
                width=0.7,
                showlegend=False,
                customdata=part[["from", "to"]],
                hovertemplate=f"{name} from %{{customdata[0]:.4f}} to %{{customdata[1]:.4f}}"
                "<extra></extra>",
                marker={"color": fill, "line": {"width": 0}, "pattern": pattern},
            )
        )
    for place, value in enumerate((found.params.lam, found.sparsity)):
        figure.add_shape(
            type="line",
            x0=value,
            x1=value,
            y0=place - 0.45,
            y1=place + 0.45,
            line={"color": colours.chosen, "width": 3},
        )
    figure = figure_theme.apply(figure, height=130)
    figure.update_xaxes(range=[0, 1], fixedrange=True, showgrid=False, zeroline=False)
    order = {"categoryorder": "array", "categoryarray": ["λ", "sparsity"]}
    return figure.update_yaxes(autorange="reversed", fixedrange=True, **order)


# --- the effect ------------------------------------------------------------------------------


def _draw_effect(found: Explanation, truth: Ablation | None) -> None:
    """Draw what removing the unit, or its group, really changed."""
    if found.effect is None or truth is None:
        st.caption("The effect of its removal is unknown: there is no ablation of this teacher.")
        return
    effect = found.effect
    what = {"head": "this head alone", "neuron": "this neuron alone"}.get(
        effect.measured, f"the {effect.neurons:,} neurons of its group"
    )
    st.markdown(f"**Without {what}** the teacher changes by")
    with st.container(horizontal=True):
        for measure, change in effect.changes.items():
            st.metric(
                ablation_words.title(truth, measure),
                f"{change:+.3g}",
                f"number {effect.places[measure]:,} of {effect.of:,} by harm",
                delta_color="off",
                delta_arrow="off",
                help=ablation_words.HELP[measure],
                width=220,
            )
