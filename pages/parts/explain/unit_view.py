"""Why was it removed, or why not? The card of one unit: ranks, turning points, true effect."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages.parts.explain import ablation_view
from pages.parts.scores_and_mask import cached_scores
from pages.parts.shell import frame, looks, url_state
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.runs.records import Run
from sparsekd.system.wording import counted
from sparsekd.units import explain, explain_words
from sparsekd.units.ablation import Ablation
from sparsekd.units.explain import Explanation
from sparsekd.units.scores import Scores

Unit = tuple[str, int, int]
"""head or neuron, its layer and its number, both from 0."""

TILE = 150
STAYS = "#5b9a8b"


def show(
    scores_run: Run,
    unit: Unit | None,
    lam: float,
    sparsity: float,
    ablation_run: Run | None = None,
) -> None:
    """The card of one unit; without one, how to choose it.

    Rounding, scale and the neurons' own sparsity are those of the address bar.
    """
    if unit is None:
        st.caption("Click a head in a map or a scatter to see why it goes or stays.")
        return
    state = url_state.read()
    params = MaskParams(
        lam=lam,
        sparsity=sparsity,
        neuron_sparsity=state.neuron_sparsity,
        round_to=state.round_to,
        normalise=state.normalise,
    )
    scores = cached_scores.load(scores_run)
    truth = ablation_view.load(ablation_run) if ablation_run else None
    known = (str(ablation_run.folder), ablation_run.finished or 0.0) if ablation_run else None
    found: Explanation = _explained(
        str(scores_run.folder), unit, params.model_dump_json(), known, _scores=scores, _truth=truth
    )
    with st.container(border=True):
        kind, layer, index = unit
        st.markdown(f"**Why does layer {layer + 1}, {kind} {index + 1} {_verb(found)}?**")
        st.markdown(explain_words.sentence(found, first=1))
        _tiles(found)
        _strips(found)
        _effect(found, truth)


@st.cache_data(max_entries=256, show_spinner=False)  # type: ignore[untyped-decorator]
def _explained(
    folder: str,
    unit: Unit,
    params: str,
    known: tuple[str, float] | None,
    _scores: Scores,
    _truth: Ablation | None,
) -> Explanation:
    return explain.explain(_scores, *unit, MaskParams.model_validate_json(params), _truth)


def _verb(found: Explanation) -> str:
    return "go" if found.removed else "stay"


def _tiles(found: Explanation) -> None:
    cut = "–" if found.lowest_kept is None else f"{found.lowest_kept:.3g}"
    tiles = (
        ("E", f"{found.normalised_expressiveness:.3f}", f"raw {found.expressiveness:.3g}",
         "Expressiveness, normalised per layer."),
        ("F", f"{found.normalised_friendliness:.3f}", f"raw {found.friendliness:.3g}",
         "Student-friendliness, normalised per layer."),
        ("K", f"{found.knowledgeableness:.3g}", f"threshold {cut}",
         f"λ · E + (1 − λ) · F at λ = {found.params.lam:g}. Threshold: the lowest K of all layers "
         "that stays before rounding."),
        ("Rank", f"{found.rank:,}", f"of {found.pool:,} {found.unit}s",
         "1 is worth most of all layers' units."),
        ("In its layer", f"{found.context.units - found.context.place + 1:,}",
         f"of {found.context.units:,}; {found.context.removed:,} go",
         "Its rank among its layer's units, and how many of them go."),
    )  # fmt: skip
    with st.container(horizontal=True):
        for name, value, below, words in tiles:
            st.metric(
                name, value, below, delta_color="off", delta_arrow="off", help=words, width=TILE
            )


def _strips(found: Explanation) -> None:
    """Where it stays and where it goes, over λ and over the sparsity."""
    st.plotly_chart(
        strips(found), width="stretch", key="fate.strips", config=looks.CONFIG,
        alt=f"Over λ the unit changes {counted(len(found.breakpoints), 'time')} between "
        f"removed and kept; over the sparsity it {_over_sparsity(found)}. Crossed: removed. "
        "The lines are the current values.",
    )  # fmt: skip
    frame.draw_table(spans(found), "fate", "fate.spans", "Exact turning points, as a table")


def _over_sparsity(found: Explanation) -> str:
    if found.removal_sparsity is None:
        return "is never removed"
    return f"is removed from {found.removal_sparsity:.2%} on"


def spans(found: Explanation) -> pd.DataFrame:
    """Return the ranges of λ and sparsity with one fate. Columns: along, from, to, fate."""
    rows = [("λ", span.start, span.end, span.removed) for span in found.spans]
    turn = 1.0 if found.removal_sparsity is None else found.removal_sparsity
    if turn > 0:
        rows.append(("sparsity", 0.0, turn, False))
    if found.removal_sparsity is not None:
        rows.append(("sparsity", turn, 1.0, True))
    table = pd.DataFrame(rows, columns=["along", "from", "to", "goes"])
    table["fate"] = np.where(table.pop("goes"), "goes", "stays")
    return table


def strips(found: Explanation) -> go.Figure:
    """Two bars from 0 to 1, λ above the sparsity; crossed where the unit goes."""
    colours, table = looks.look(), spans(found)
    figure = go.Figure()
    for name, fill, shape in (("stays", STAYS, ""), ("goes", colours.gone, "x")):
        part = table[table["fate"] == name]
        figure.add_trace(
            go.Bar(
                x=part["to"] - part["from"], base=part["from"], y=part["along"], orientation="h",
                width=0.7, showlegend=False, customdata=part[["from", "to"]],
                hovertemplate=f"{name} from %{{customdata[0]:.4f}} to %{{customdata[1]:.4f}}"
                "<extra></extra>",
                marker={
                    "color": fill, "line": {"width": 0},
                    "pattern": {"shape": shape, "fgcolor": colours.cross, "bgcolor": fill,
                                "size": 8, "solidity": 0.15, "fillmode": "replace"},
                },
            )
        )  # fmt: skip
    for place, value in enumerate((found.params.lam, found.sparsity)):
        figure.add_shape(
            type="line", x0=value, x1=value, y0=place - 0.45, y1=place + 0.45,
            line={"color": colours.chosen, "width": 3},
        )  # fmt: skip
    figure = looks.plain(figure, height=130)
    figure.update_xaxes(range=[0, 1], fixedrange=True, showgrid=False, zeroline=False)
    order = {"categoryorder": "array", "categoryarray": ["λ", "sparsity"]}
    return figure.update_yaxes(autorange="reversed", fixedrange=True, **order)


def _effect(found: Explanation, truth: Ablation | None) -> None:
    """What its removal, or that of its group, really changed."""
    if found.effect is None or truth is None:
        st.caption("What its removal really does is not known: no ablation of this teacher.")
        return
    effect = found.effect
    whose = {"head": "this head alone", "neuron": "this neuron alone"}.get(
        effect.measured, f"the {effect.neurons:,} neurons of its group"
    )
    st.markdown(f"**Without {whose}** the teacher changes by")
    with st.container(horizontal=True):
        for kind, change in effect.changes.items():
            st.metric(
                ablation_view.title(truth, kind), f"{change:+.3g}",
                f"number {effect.places[kind]:,} of {effect.of:,} by harm",
                delta_color="off", delta_arrow="off", help=ablation_view.HELP[kind], width=220,
            )  # fmt: skip
