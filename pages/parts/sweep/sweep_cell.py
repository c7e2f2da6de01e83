"""One cell of a trade-off study: λ and sparsity as everywhere, and what its seeds came to."""

from typing import Any

import pandas as pd
import streamlit as st

from pages.parts.shell import url_state
from pages.parts.sweep import sweep_progress
from pages.parts.sweep.sweep_view import SELECTION, Asked
from sparsekd.system.wording import counted

MASK = st.column_config.LinkColumn("Mask", display_text="see", help="Opens the page Mask there.")


def axes(asked: Asked) -> tuple[list[float], list[float]]:
    """Every λ and every sparsity of the study, finished or not."""
    cells = asked.students[asked.students["ranking"].isin(["scores", "dense"])]
    return (
        sorted(float(lam) for lam in cells["lam"].dropna().unique()),
        sorted(float(sparsity) for sparsity in cells["sparsity"].dropna().unique()),
    )


def here(asked: Asked) -> tuple[float, float]:
    """The cell nearest to the λ and sparsity at which the visitor is on every page."""
    state = url_state.read()
    lams, sparsities = axes(asked)
    return _nearest(lams, state.lam), _nearest(sparsities, state.sparsity)


def _nearest(values: list[float], wanted: float) -> float:
    return min(values, key=lambda value: abs(value - wanted), default=wanted)


def ask(asked: Asked) -> None:
    """λ and sparsity by keyboard, from the address bar and back into it."""
    lam, sparsity = here(asked)
    lams, sparsities = axes(asked)
    if not (lams and sparsities):  # a study of dense teachers only
        return
    keys = {"lam": "url.cell.lam", "sparsity": "url.cell.sparsity"}
    st.session_state.setdefault(keys["lam"], lam)
    st.session_state.setdefault(keys["sparsity"], sparsity)
    with st.container(horizontal=True):
        now = st.selectbox("λ", lams, format_func=lambda v: f"{v:g}", key=keys["lam"], width=120)
        share = st.selectbox(
            "Sparsity", sparsities, format_func=lambda v: f"{100 * v:g} %", key=keys["sparsity"],
            width=120,
        )  # fmt: skip
    if (now, share) != (lam, sparsity):
        url_state.write(lam=now, sparsity=share)


def picked(key: str) -> None:
    """Copy the clicked cell into the choices that boxes and address bar show."""
    points = st.session_state[key].selection.points
    if points:
        # Streamlit hands customdata back as a dict of positions.
        cell = points[0]["customdata"]
        st.session_state["url.cell.lam"] = float(cell["0"])
        st.session_state["url.cell.sparsity"] = float(cell["1"])


def show(asked: Asked) -> None:
    """The seeds of the cell at which the visitor is, with links to runs and masks."""
    lam, sparsity = here(asked)
    table = seeds(asked, lam, sparsity)
    place = f"λ = {lam:g}, sparsity {100 * sparsity:g} %" if sparsity else "the dense teacher"
    told = table["reported"].dropna()
    words = f"mean {told.mean():.3f} of {counted(len(told), 'seed')}" if len(told) else ""
    st.markdown(f"**You are here: {place}** {words or '– not finished yet'}")
    st.dataframe(
        table, width="stretch", hide_index=True, height="content", placeholder="–",
        key="tradeoffs.cell",
        column_config={
            "seed": st.column_config.NumberColumn("Seed", width=50),
            "state": st.column_config.TextColumn("State", width=90),
            "selected": st.column_config.NumberColumn("On selection", format="%.4f"),
            "reported": st.column_config.NumberColumn(f"On {asked.split}", format="%.4f"),
            "parameters": st.column_config.NumberColumn("Parameters", format="localized"),
            "seconds": st.column_config.NumberColumn("Seconds", format="%.1f"),
            "run": sweep_progress.RUN,
            "mask": MASK,
        },
    )  # fmt: skip


def seeds(asked: Asked, lam: float, sparsity: float) -> pd.DataFrame:
    """One row per seed of a cell; at sparsity 0 the dense teacher's first students."""
    rows = asked.students[asked.students["method"] == asked.method]
    if sparsity:
        own = (rows["ranking"] == "scores") & (rows["lam"] == lam) & (rows["sparsity"] == sparsity)
    else:
        own = (rows["ranking"] == "dense") & (rows["attempt"] == 0)
    rows = rows[own]
    found: list[dict[str, Any]] = []
    for run, group in rows.groupby("run", sort=False):
        first = group.iloc[0]
        of_metric = group[group["metric"] == asked.metric].set_index("split")["value"]
        query = url_state.link(
            study=asked.found.plan.id, scores=first["scores"], lam=lam, sparsity=sparsity
        )
        found.append(
            {
                "seed": first["seed"],
                "state": str(first["state"]),
                "selected": of_metric.get(SELECTION),
                "reported": of_metric.get(asked.split),
                "parameters": first["parameters"],
                "seconds": first["seconds"],
                "run": sweep_progress.run_link(str(run)),
                "mask": sweep_progress.address("mask", query)
                if first["scores"] and first["state"] == "done"
                else None,
            }
        )
    return pd.DataFrame(found, columns=list(COLUMNS))


COLUMNS = ("seed", "state", "selected", "reported", "parameters", "seconds", "run", "mask")
