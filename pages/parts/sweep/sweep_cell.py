"""One cell of a trade-off study: the choice of λ and sparsity, and the seeds of that cell."""

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from pages.parts.shell import frame, url_state
from pages.parts.sweep import sweep_progress
from sparsekd.studies.sweeps.sweep_metric import SweepMetric
from sparsekd.system.wording import counted

LAM, SPARSITY = "url.cell.lam", "url.cell.sparsity"


def chosen_cell(of: SweepMetric) -> tuple[float, float]:
    """Return the cell nearest to the λ and sparsity in the address."""
    state = url_state.read()
    return of.nearest_cell(state.lam, state.sparsity)


def choose_cell(of: SweepMetric) -> None:
    """Draw the choice of λ and sparsity, the keyboard twin of a click on the map."""
    lam, sparsity = chosen_cell(of)
    lams, sparsities = of.axes()
    if not (lams and sparsities):  # a study of dense teachers only
        return
    st.session_state.setdefault(LAM, lam)
    st.session_state.setdefault(SPARSITY, sparsity)
    with st.container(horizontal=True):
        now = st.selectbox("λ", lams, format_func=lambda v: f"{v:g}", key=LAM, width=120)
        share = st.selectbox(
            "Sparsity", sparsities, format_func=lambda v: f"{100 * v:g}%", key=SPARSITY, width=120
        )
    if (now, share) != (lam, sparsity):
        url_state.write(lam=now, sparsity=share)


def pick_cell(key: str) -> None:
    """Copy the clicked cell into the choices of λ and sparsity."""
    points = st.session_state[key].selection.points
    if points:
        # Streamlit returns customdata as a dict of positions.
        cell = points[0]["customdata"]
        st.session_state[LAM] = float(cell["0"])
        st.session_state[SPARSITY] = float(cell["1"])


def draw_cell(of: SweepMetric) -> None:
    """Draw the seeds of the chosen cell, with links to runs and masks."""
    lam, sparsity = chosen_cell(of)
    table = of.cell_table(lam, sparsity)
    place = f"λ = {lam:g}, sparsity {100 * sparsity:g}%" if sparsity else "the dense teacher"
    values = table["reported"].dropna()
    words = f"mean {values.mean():.3f} of {counted(len(values), 'seed')}"
    st.markdown(f"**Chosen cell: {place}** {words if len(values) else '– not finished yet'}")
    links = [
        sweep_progress.address(
            "mask", url_state.link(study=of.plan.id, scores=scores, lam=lam, sparsity=sparsity)
        )
        if scores and state == "done"
        else None
        for scores, state in zip(table["scores"], table["state"], strict=True)
    ]
    runs = [sweep_progress.run_link(run) for run in table["run"]]
    st.dataframe(
        table.drop(columns="scores").assign(run=runs, mask=pd.Series(links, table.index)),
        width="stretch",
        hide_index=True,
        height="content",
        placeholder="–",
        key="tradeoffs.cell",
        column_config=_columns(of),
    )


def _columns(of: SweepMetric) -> dict[str, ColumnConfig]:
    number = st.column_config.NumberColumn
    return {
        "seed": number("Seed", width=50),
        "state": st.column_config.TextColumn("State", width=90),
        "selected": number("On selection", format="%.4f"),
        "reported": number(f"On {frame.plain(of.split)}", format="%.4f"),
        "parameters": number("Parameters", format="localized"),
        "seconds": number("Seconds", format="%.1f"),
        "run": sweep_progress.RUN,
        "mask": st.column_config.LinkColumn(
            "Mask", display_text="open", help="Opens the page Mask there."
        ),
    }
