"""How good a masked teacher is: sparsity curves from probe runs, and the current mask on them."""

import itertools

import altair as alt
import pandas as pd
import streamlit as st

from pages.parts.pad import surfaces
from pages.parts.runs import unfinished
from pages.parts.shell import charts, figure_theme, frame
from sparsekd.catalog.stage_parameters import MaskParams, ProbeParams
from sparsekd.runs import store
from sparsekd.runs.records import Recipe, Run
from sparsekd.studies.masked_teacher import masked_model, masked_quality
from sparsekd.tasks import metrics

ICONS = {"curve": ":material/show_chart:", "grid": ":material/grid_on:"}
DASHES = ([6, 3], [2, 2], [1, 3], [4, 2, 1, 2])


def draw_quality(scores: Run, params: MaskParams) -> None:
    """Draw how good the masked teacher is, the curves around it, and what could be measured."""
    st.subheader("Quality of the masked teacher", anchor=False, divider="gray")
    st.caption(
        "Measured on the probe set: the first rows of the selection split, which is carved from "
        "the training data."
    )
    known = masked_quality.measured(scores, params, surfaces.read_table)
    _draw_this_mask(scores, params, known)
    _draw_buttons(scores, params, known)
    unfinished.draw_unfinished_of_scores(scores, "probe")
    if len(known) > 1:
        _draw_curves(known, params)


def _draw_this_mask(scores: Run, params: MaskParams, known: pd.DataFrame) -> None:
    """Draw the measured quality of exactly this mask, or the button that measures it."""
    here = masked_quality.at(known, params)
    if here.empty:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(_known_otherwise(scores, params))
            if st.button("Evaluate this mask", icon=":material/target:", key="probe.this"):
                _submit(masked_quality.one_mask(scores, params))
        return
    row, whole = here.iloc[0], masked_quality.unmasked(known)
    with st.container(horizontal=True):
        for name in (*masked_quality.metrics(known)[:1], "loss", "distance"):
            st.metric(
                masked_quality.title(name),
                f"{row[name]:.3f}",
                f"{whole[name].iloc[0]:.3f} unmasked" if len(whole) else None,
                delta_color="off",
                delta_arrow="off",
                width="content",
            )
    for name, words in masked_quality.HELP.items():
        st.caption(f"{masked_quality.title(name)}: {words}")


def _known_otherwise(scores: Run, params: MaskParams) -> str:
    """Return what is known of a mask that no probe has evaluated: its pruned model's quality."""
    name = masked_model.prune_recipe(scores, params).run_id
    run = store.get_many([name]).get(name)
    found = run.outcome.metrics.get("selection", {}) if run is not None else {}
    words = [f"{metrics.title(metric)} {value:.3f}" for metric, value in list(found.items())[:1]]
    if not words:
        return "This mask has not been evaluated yet."
    return (
        f"Run {name} pruned the teacher by this mask: {words[0]} on the selection split. "
        "It has not been evaluated on the probe set yet."
    )


def _draw_buttons(scores: Run, params: MaskParams, known: pd.DataFrame) -> None:
    """Draw the buttons that measure this λ, or several at once, unless known or under way."""
    own, several = (params.lam,), masked_quality.LAMS
    words = f"Add the curve of λ = {params.lam:g}"
    if known.empty:
        words = f"Measure the curve of λ = {params.lam:g} and its controls"
    grid = f"Measure {len(several)} λ × {len(ProbeParams().sparsities)} sparsities"
    with st.container(horizontal=True):
        for name, lams, label in (("curve", own, words), ("grid", several, grid)):
            recipe = masked_quality.curves(scores, params, lams)
            if masked_quality.under_way(recipe) or masked_quality.complete(known, lams):
                continue
            if st.button(label, icon=ICONS[name], key=f"probe.{name}"):
                _submit(recipe)


def _submit(recipe: Recipe) -> None:
    frame.submit([recipe])
    st.rerun()


def _draw_curves(known: pd.DataFrame, params: MaskParams) -> None:
    metric = masked_quality.metrics(known)[0]
    titles = {name: masked_quality.title(name) for name in (metric, "distance")}
    for place, (name, title) in zip(st.columns(2), titles.items(), strict=True):
        place.markdown(f"**{title}** over sparsity")
        place.altair_chart(
            _plot_curves(known, name, params),
            width="stretch",
            key=f"probe.{name}",
            alt=f"{title} of the masked teacher over sparsity, one line for each of "
            f"{', '.join(known['ranking'].unique())}; a rule marks sparsity "
            f"{params.sparsity:.0%}.",
        )
    frame.draw_table(known, f"probe-{metric}", "probe.table", "Curves as a table")


def _plot_curves(known: pd.DataFrame, name: str, params: MaskParams) -> alt.LayerChart:
    """Return solid lines by λ, dashed ones by control, and a rule at the current sparsity."""
    lines = known[["ranking", "sparsity", name]].rename(columns={name: "value"})
    order = masked_quality.order(known, params)
    legend = alt.Legend(orient="bottom", columns=3, symbolType="stroke")
    base = alt.Chart(lines).encode(
        x=alt.X(
            "sparsity:Q",
            title="Sparsity",
            axis=alt.Axis(format="%", grid=False),
            scale=alt.Scale(domain=[0, 1]),
        ),
        y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
        color=alt.Color("ranking:N", sort=order, title=None, legend=legend),
        tooltip=[
            "ranking:N",
            alt.Tooltip("sparsity:Q", format=".0%"),
            alt.Tooltip("value:Q", format=".4f"),
        ],
    )
    drawn = base.mark_line(point=True).encode(
        strokeDash=alt.StrokeDash("ranking:N", scale=_dashes(order), legend=None),
        strokeWidth=alt.condition(
            alt.datum.ranking == f"λ {params.lam:g}", alt.value(3), alt.value(1.5)
        ),
    )
    layers = (drawn + _plot_rule(params.sparsity)).properties(height=320)
    layered: alt.LayerChart = charts.legible(layers)
    return layered


def _dashes(order: list[str]) -> alt.Scale:
    """Return a dash for each control, in turn, and none for other rankings."""
    dashes = itertools.cycle(DASHES)
    controls = {name: next(dashes) for name in order if masked_quality.is_control(name)}
    return alt.Scale(domain=order, range=[controls.get(name, [1, 0]) for name in order])


def _plot_rule(sparsity: float) -> alt.LayerChart:
    """Return a rule at the current sparsity with its name, which stays within the chart."""
    red, right = figure_theme.current().cross, sparsity > 0.7
    here = alt.Chart(pd.DataFrame({"sparsity": [sparsity], "words": ["this mask"]}))
    rule = here.mark_rule(strokeWidth=2, strokeDash=[2, 2], color=red).encode(x="sparsity:Q")
    words = here.mark_text(
        align="right" if right else "left", color=red, dx=-5 if right else 5, baseline="bottom"
    ).encode(x="sparsity:Q", y=alt.value(-2), text="words:N")
    return alt.LayerChart(layer=[rule, words])
