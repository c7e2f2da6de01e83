"""How good a masked teacher is: sparsity curves from probe runs, and where the visitor stands."""

from pathlib import Path

import altair as alt
import pandas as pd
import streamlit as st

from pages.parts.scores_and_mask import quality_grid, score_source
from pages.parts.shell import frame, looks
from sparsekd.catalog.stage_parameters import MaskParams, ProbeParams
from sparsekd.errors import BadInput
from sparsekd.runs import jobs, store
from sparsekd.runs.records import Recipe, Run, State
from sparsekd.studies import recipes
from sparsekd.tasks.metrics import METRICS

PLAIN = ("ranking", "lam", "sparsity", "loss", "distance", "heads", "neurons")
CONTROLS = ("λ 1", "λ 0", "magnitude", "random")
CLOSE = 1e-9


def measured(scores: Run, params: MaskParams) -> pd.DataFrame:
    """Every point that earlier probes of these scores have measured in the same way.

    Raises:
        BadInput: a probe's table is missing or broken.
    """
    alike = [
        run
        for run in store.runs("probe", [State.DONE], scores.recipe.task)
        if run.recipe.inputs["scores"] == scores.id and _alike(run, params)
    ]
    tables = [_read(str(run.folder)) for run in reversed(alike)]
    if not tables:
        return pd.DataFrame(columns=list(PLAIN))
    return pd.concat(tables).drop_duplicates(["ranking", "sparsity"], keep="last")


def _alike(run: Run, params: MaskParams) -> bool:
    probe = ProbeParams.of(run.recipe.params["probe"])
    same = ("round_to", "normalise", "neuron_sparsity")
    usual = ProbeParams().examples
    return probe.examples == usual and all(
        getattr(probe, name) == getattr(params, name) for name in same
    )


@st.cache_data(max_entries=64, show_spinner=False)  # type: ignore[untyped-decorator]
def _read(folder: str) -> pd.DataFrame:
    path = Path(folder) / "probe.parquet"
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise BadInput(
            f"The table of probe run {path.parent.name} is missing or broken.",
            "Delete that run on the Runs page and measure again.",
        ) from error


def recipe(scores: Run, params: MaskParams, exactly: bool, lams: tuple[float, ...] = ()) -> Recipe:
    """A probe of this or several λ over the usual sparsities with controls, or of this mask."""
    only = {"sparsities": (params.sparsity,), "controls": False} if exactly else {}
    probe = ProbeParams.of(
        {
            "lams": lams or (params.lam,),
            "round_to": params.round_to,
            "normalise": params.normalise,
            "neuron_sparsity": params.neuron_sparsity,
        }
        | only
    )
    inputs, length = scores.recipe.inputs, scores.recipe.params["max_length"]
    return recipes.probe(
        scores.recipe.task, inputs["teacher"], inputs["student"], scores.id, probe, length
    )


def show(scores: Run, params: MaskParams) -> None:
    """What this mask does to the teacher, the curves around it, and what could be measured."""
    st.subheader(
        "What the masked teacher is worth", anchor=False, divider="gray",
        help="Measured on the probe set: the first rows of the selection split, which is carved "
        "from the training data.",
    )  # fmt: skip
    known = measured(scores, params)
    metrics = [name for name in known.columns if name not in PLAIN]
    here = known[
        (known["ranking"] == f"λ {params.lam:g}")
        & ((known["sparsity"] - params.sparsity).abs() < CLOSE)
    ]
    _here(scores, params, here, known, metrics)
    _curve_buttons(scores, params, known)
    score_source.companions(scores, "probe")
    if len(known) > 1:
        _curves(known, metrics[0], params)


def _here(
    scores: Run, params: MaskParams, here: pd.DataFrame, known: pd.DataFrame, metrics: list[str]
) -> None:
    if here.empty:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("This very mask has not been tried yet.")
            if st.button("Evaluate exactly this mask", icon=":material/target:", key="probe.this"):
                jobs.submit([recipe(scores, params, exactly=True)], frame.device())
                st.rerun()
        return
    row, whole = here.iloc[0], known[known["sparsity"] == 0].head(1)
    with st.container(horizontal=True):
        for name in (*metrics[:1], "loss", "distance"):
            before = f"{whole[name].iloc[0]:.3f} unmasked" if len(whole) else None
            st.metric(
                title(name), f"{row[name]:.3f}", before, delta_color="off", delta_arrow="off",
                help=HELP.get(name, "On the probe set; higher is better."), width="content",
            )  # fmt: skip


HELP = {
    "loss": "Mean task loss on the probe set; lower is better.",
    "distance": "Mean KL divergence of the masked teacher's softened answers (T = 2) from the "
    "trial student's; for regression the mean squared difference. Lower: nearer to what this "
    "student can say.",
}


def title(name: str) -> str:
    """A column in words."""
    if name in METRICS:
        return METRICS[name].title
    return {"distance": "Distance to the trial student", "loss": "Loss"}.get(name, name)


def _curve_buttons(scores: Run, params: MaskParams, known: pd.DataFrame) -> None:
    """Measure this λ, or several at once: whatever of it is neither known nor on its way."""
    words = (
        f"Measure the curve of λ = {params.lam:g}, with its controls"
        if known.empty
        else f"Add the curve of λ = {params.lam:g}"
    )
    several = f"Measure {len(quality_grid.LAMS)} λ × {len(ProbeParams().sparsities)} sparsities"
    with st.container(horizontal=True):
        _ask(scores, params, known, (params.lam,), words, "curve")
        _ask(scores, params, known, quality_grid.LAMS, several, "grid")


def _ask(
    scores: Run, params: MaskParams, known: pd.DataFrame, lams: tuple[float, ...],
    words: str, name: str,
) -> None:  # fmt: skip
    asked = recipe(scores, params, exactly=False, lams=lams)
    run = store.several([asked.run_id]).get(asked.run_id)
    under_way = run is not None and run.state is not State.FAILED
    if under_way or _complete(known, lams):
        return
    icon = {"curve": ":material/show_chart:", "grid": ":material/grid_on:"}[name]
    if st.button(words, icon=icon, key=f"probe.{name}"):
        jobs.submit([asked], frame.device())
        st.rerun()


def _complete(known: pd.DataFrame, lams: tuple[float, ...]) -> bool:
    """Whether every point of these λ and of the controls is known from earlier probes."""
    wanted = {f"λ {lam:g}" for lam in lams} | set(CONTROLS)
    usual = known[known["sparsity"].isin(ProbeParams().sparsities)]
    counts = usual.groupby("ranking").size()
    return all(counts.get(one, 0) >= len(ProbeParams().sparsities) for one in wanted)


def _curves(known: pd.DataFrame, metric: str, params: MaskParams) -> None:
    places = st.columns(2)
    for place, name in zip(places, (metric, "distance"), strict=True):
        place.markdown(f"**{title(name)}** over sparsity", help=HELP.get(name))
        place.altair_chart(
            _chart(known, name, params),
            width="stretch",
            key=f"probe.{name}",
            alt=f"{title(name)} of the masked teacher over sparsity, one line for each of "
            f"{', '.join(known['ranking'].unique())}; a rule marks sparsity "
            f"{params.sparsity:.0%}.",
        )
    fields = {name: title(name) for name in (metric, "distance")}
    quality_grid.show(known, fields, params)
    frame.table(known, f"probe-{metric}", "probe.table", "Curves as a table")


def _chart(known: pd.DataFrame, name: str, params: MaskParams) -> alt.LayerChart:
    """Lines by ranking, solid for λ and dashed for controls; a rule says where we are."""
    own, red = f"λ {params.lam:g}", looks.look().cross
    lines = known[["ranking", "sparsity", name]].rename(columns={name: "value"})
    order = sorted(lines["ranking"].unique(), key=lambda one: (one != own, one in CONTROLS, one))
    base = alt.Chart(lines).encode(
        x=alt.X("sparsity:Q", title="Sparsity", axis=alt.Axis(format="%", grid=False),
                scale=alt.Scale(domain=[0, 1])),
        y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=False)),
        color=alt.Color("ranking:N", sort=order, title=None,
                        legend=alt.Legend(orient="bottom", columns=3, symbolType="stroke")),
        tooltip=["ranking:N", alt.Tooltip("sparsity:Q", format=".0%"),
                 alt.Tooltip("value:Q", format=".4f")],
    )  # fmt: skip
    drawn = base.mark_line(point=True).encode(
        strokeDash=alt.StrokeDash("ranking:N", sort=order, legend=None),
        strokeWidth=alt.condition(alt.datum.ranking == own, alt.value(3), alt.value(1.5)),
    )
    here = alt.Chart(pd.DataFrame({"sparsity": [params.sparsity], "words": ["you are here"]}))
    rule = here.mark_rule(strokeWidth=2, strokeDash=[2, 2], color=red).encode(x="sparsity:Q")
    words = here.mark_text(
        align="right" if params.sparsity > 0.7 else "left", color=red,
        dx=-5 if params.sparsity > 0.7 else 5, baseline="bottom",
    ).encode(x="sparsity:Q", y=alt.value(-2), text="words:N")  # fmt: skip
    ink = {f"{part}Color": looks.look().ink for part in ("label", "title")}
    layered: alt.LayerChart = (drawn + rule + words).properties(height=320)
    return layered.configure_axis(**ink).configure_legend(**ink)
