"""Two masks held against each other, and how stable a mask is over seeds."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages.parts.scores_and_mask import heatmaps, score_runs
from pages.parts.shell import frame, looks, url_state
from sparsekd.catalog.stage_parameters import MaskParams
from sparsekd.runs import masks as maskfiles
from sparsekd.runs.records import Run
from sparsekd.units import masking, overlap
from sparsekd.units.masking import Mask
from sparsekd.units.overlap import Codes

KINDS = {"scores": "Scores", "random": "Chance", "file": "A file"}
SIGNS = ("×", "A", "B", "")
ONLY_A, ONLY_B, BOTH = "#7fb0e6", "#f0b35f", "#9aa8a4"
ON_COLOUR = "#111111"  # letters; contrast with each of the two at least 7 : 1
ROW = 28  # pixels of a layer's bar


def section(run: Run) -> None:
    """The mask of the address bar against another one of the visitor's choice, and over seeds."""
    state = url_state.read()
    asked = MaskParams(
        lam=state.lam,
        sparsity=state.sparsity,
        neuron_sparsity=state.neuron_sparsity,
        round_to=state.round_to,
        normalise=state.normalise,
    )
    first = masking.from_scores(score_runs.load(run), asked)
    st.markdown(f"Mask **A** · {_words(asked, run.id)}")
    runs = same_shape(run)
    second, words = _other(run, runs, asked)
    if second is None:
        st.info("Bring a mask.npz to compare with.", icon=":material/upload_file:")
    else:
        show(first, second, (_words(asked, run.id), words))
    over_seeds(runs, asked)


def same_shape(run: Run) -> dict[str, Run]:
    """Finished scores of teachers with as many layers, heads and neurons, this run's first."""
    facts = [run.outcome.facts.get(name) for name in ("layers", "heads", "neurons")]
    found = [
        other
        for other in score_runs.finished()
        if [other.outcome.facts.get(name) for name in ("layers", "heads", "neurons")] == facts
    ]
    return {other.id: other for other in sorted(found, key=lambda other: other.id != run.id)}


def _other(run: Run, runs: Mapping[str, Run], asked: MaskParams) -> tuple[Mask | None, str]:
    """Mask B, by scores, by chance, or from a file; and what it is in words."""
    st.markdown("Mask **B**")
    how = st.segmented_control(
        "Made by", list(KINDS), default="scores", required=True, key="maskdiff.how",
        format_func=lambda name: KINDS[name],
    )  # fmt: skip
    if how == "file":
        file = st.file_uploader("mask.npz", type="npz", key="maskdiff.file", max_upload_size=32)
        return (None, "") if file is None else (maskfiles.uploaded(file.getvalue()), "from a file")
    left, middle, right = st.columns(3)
    sparsity = right.slider(
        "Sparsity of B", 0.0, 1.0, asked.sparsity, 0.01, key="maskdiff.sparsity"
    )
    changes = {"sparsity": sparsity, "neuron_sparsity": None}
    if how == "random":
        seed = int(left.number_input("Seed", 0, 10_000, 0, key="maskdiff.seed"))
        params = asked.changed(changes | {"kind": "random"})
        return masking.from_scores(score_runs.load(run), params, seed), f"random, seed {seed}"
    chosen = left.selectbox(
        "Scores of B", list(runs), format_func=lambda name: score_runs.words(runs[name]),
        key="maskdiff.run",
    )  # fmt: skip
    far = 1.0 if asked.lam <= 0.5 else 0.0
    lam = middle.slider("λ of B", 0.0, 1.0, far, 0.01, key="maskdiff.lam")
    params = asked.changed(changes | {"lam": lam})
    return masking.from_scores(score_runs.load(runs[chosen]), params), _words(params, chosen)


def _words(params: MaskParams, scores: str) -> str:
    return f"λ = {params.lam:g}, sparsity {params.sparsity:.0%}, scores of run {scores}"


# --- two masks -------------------------------------------------------------------------------


def show(first: Mask, second: Mask, names: tuple[str, str]) -> None:
    """What both keep, what only one keeps, what neither keeps: words, maps, table.

    Raises:
        Incompatible: the masks are of differently shaped teachers.
    """
    table = overlap.compare(first, second)
    for units in overlap.UNITS:
        st.markdown(_sentence(table, units))
    st.caption(f"A: {frame.plain(names[0])}. B: {frame.plain(names[1])}.")
    left, right = st.columns(2)
    heads = overlap.codes(first.heads, second.heads)
    left.markdown("**Heads** · A, B: only that mask keeps it; ×: neither does")
    left.plotly_chart(
        heads_map(heads), width="stretch", key="maskdiff.heads", config=looks.CONFIG,
        alt=f"Map of {heads.size} heads: {_counts(table, 'heads')}.",
    )  # fmt: skip
    right.markdown("**Neurons** · how many of each layer")
    right.plotly_chart(
        neuron_bars(table), width="stretch", key="maskdiff.neurons", config=looks.CONFIG,
        alt=f"Bars of {first.neurons.size} neurons by layer: {_counts(table, 'neurons')}.",
    )  # fmt: skip
    shown = table.assign(layer=[str(n + 1) if n >= 0 else "all" for n in table["layer"]])
    frame.table(shown, "masks-compared", "maskdiff.layers", "Every layer, as a table")


def _sentence(table: pd.DataFrame, units: str) -> str:
    row = overlap.total(table, units)
    return (
        f"**{units.capitalize()}**: {int(row['both']):,} are kept by both, "
        f"{int(row['only_first']):,} only by A, {int(row['only_second']):,} only by B, "
        f"{int(row['neither']):,} by neither. Jaccard of the kept **{row['jaccard']:.2f}** "
        f"(by chance {row['jaccard_by_chance']:.2f}), of the removed "
        f"**{row['jaccard_removed']:.2f}**."
    )


def _counts(table: pd.DataFrame, units: str) -> str:
    row = overlap.total(table, units)
    return ", ".join(f"{int(row[name])} {name.replace('_', ' ')}" for name in overlap.KEPT_BY)


def _colours() -> list[str]:
    """One colour for each of `overlap.KEPT_BY`."""
    return [looks.look().gone, ONLY_A, ONLY_B, BOTH]


def heads_map(codes: Codes) -> go.Figure:
    """A cell per head, its fate by colour and by sign.

    Shapes: codes (L, H).
    """
    steps = np.repeat(np.arange(5) / 4, 2)[1:-1]
    scale = [
        [float(step), colour] for step, colour in zip(steps, np.repeat(_colours(), 2), strict=True)
    ]
    layer, head = np.indices(codes.shape)
    signs = np.array(SIGNS)[codes]
    inks = np.where(codes == 0, looks.look().cross, ON_COLOUR)
    words = np.array(["neither keeps it", "only A keeps it", "only B keeps it", "both keep it"])
    figure = go.Figure(
        go.Heatmap(
            z=codes, x0=1, dx=1, y0=1, dy=1, zmin=-0.5, zmax=3.5, xgap=1, ygap=1,
            colorscale=scale, showscale=False, hoverinfo="skip",
        )
    )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=head.ravel() + 1, y=layer.ravel() + 1, mode="markers+text", showlegend=False,
            text=signs.ravel(), textfont={"color": inks.ravel(), "size": 13},
            customdata=words[codes].ravel(), marker={"symbol": "square", "size": 26, "opacity": 0},
            hovertemplate="layer %{y}, head %{x}<br>%{customdata}<extra></extra>",
        )
    )  # fmt: skip
    return _laid_out(figure, *codes.shape)


def _laid_out(figure: go.Figure, layers: int, width: int) -> go.Figure:
    figure = looks.plain(figure, height=70 + ROW * min(max(layers, 5), 16))
    figure.update_xaxes(
        title_text="Head", range=[0.5, width + 0.5], dtick=1, fixedrange=True, showgrid=False
    )
    return figure.update_yaxes(
        title_text="Layer", range=[0.5, layers + 0.5], dtick=1, fixedrange=True, showgrid=False
    )


def neuron_bars(table: pd.DataFrame) -> go.Figure:
    """Each layer's neurons, stacked by who keeps them."""
    rows = table[(table["units"] == "neurons") & (table["layer"] >= 0)]
    names = {"both": "both", "only_first": "only A", "only_second": "only B", "neither": "neither"}
    fills = dict(zip(overlap.KEPT_BY, _colours(), strict=True))
    shapes = {"both": "", "only_first": "/", "only_second": "\\", "neither": "x"}
    figure = go.Figure()
    for name, words in names.items():
        pattern = {"shape": shapes[name], "solidity": 0.15, "size": 8, "fillmode": "overlay"}
        figure.add_trace(
            go.Bar(
                x=rows[name], y=rows["layer"] + 1, orientation="h", name=words, width=0.9,
                marker={"color": fills[name], "line": {"width": 0}, "pattern": pattern},
                hovertemplate=f"layer %{{y}}: %{{x}} {words}<extra></extra>",
            )
        )  # fmt: skip
    layers, width = len(rows), int(rows[list(overlap.KEPT_BY)].iloc[0].sum())
    figure = _laid_out(figure, layers, width)
    figure.update_xaxes(title_text="Neurons", range=[0, width], dtick=None)
    legend = {"orientation": "h", "y": 1.02, "yanchor": "bottom", "traceorder": "normal"}
    return figure.update_layout(barmode="stack", legend=legend)


# --- several masks ---------------------------------------------------------------------------


def over_seeds(runs: Mapping[str, Run], asked: MaskParams) -> None:
    """How often each unit is kept by the masks of several scores, at one λ and sparsity."""
    st.markdown("**Stability** · the share of scores, one for each trial student, that keep a unit")
    if len(runs) < 2:
        st.caption(
            "There is one set of scores: distil trial students with other seeds and score the "
            "teacher for each, then this shows which units they agree on."
        )
        return
    own = next(iter(runs.values()))
    same = [name for name, run in runs.items() if _teacher(run) == _teacher(own)]
    chosen = st.multiselect(
        "Scores", list(runs), default=same, key="maskdiff.seeds",
        format_func=lambda name: score_runs.words(runs[name]),
    )  # fmt: skip
    if len(chosen) < 2:
        st.caption("Choose at least two.")
        return
    stable([masking.from_scores(score_runs.load(runs[name]), asked) for name in chosen])


def _teacher(run: Run) -> str:
    return run.recipe.inputs["teacher"]


def stable(masks: Sequence[Mask]) -> None:
    """The share of the masks that keep each unit, as maps, words and tables."""
    heads, neurons = overlap.stability(masks)
    agreed = overlap.agreement(masks)
    for _, row in agreed.iterrows():
        st.markdown(
            f"**{str(row['units']).capitalize()}**: all {len(masks)} masks keep "
            f"{int(row['always']):,}, none keeps {int(row['never']):,}, they dispute "
            f"{int(row['disputed']):,}. Mean Jaccard of two masks **{row['jaccard']:.2f}** "
            f"(lowest {row['lowest']:.2f}), of what they remove {row['jaccard_removed']:.2f}."
        )
    left, right = st.columns(2)
    left.plotly_chart(
        heatmaps.heads(heads, top=1.0), width="stretch", key="maskdiff.stable.heads",
        config=looks.CONFIG, alt=f"Share of {len(masks)} masks that keep each head.",
    )  # fmt: skip
    right.plotly_chart(
        heatmaps.sorted_neurons(neurons), width="stretch", key="maskdiff.stable.neurons",
        config=looks.CONFIG, alt=f"Share of {len(masks)} masks that keep each neuron, sorted.",
    )  # fmt: skip
    table = score_runs.table({"kept by": heads}, "head")
    frame.table(table, "stability-heads", "maskdiff.stable", "Heads as a table")
