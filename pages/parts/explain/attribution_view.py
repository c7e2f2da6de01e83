"""What each token contributed: dense teacher, sparse teacher and students side by side."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st
from scipy.special import softmax

from pages.parts.explain import ask_inspector, sentences, tokens
from pages.parts.forms import fields
from pages.parts.runs import unfinished
from pages.parts.shell import frame, looks
from sparsekd.catalog.stage_parameters import AttributeParams
from sparsekd.inspector.protocol import AttributionRequest, AttributionResponse, PackedMask
from sparsekd.runs import jobs, store, tables
from sparsekd.runs.records import Run, State
from sparsekd.studies import recipes
from sparsekd.tasks import TaskCard
from sparsekd.units.masking import Mask

CELL = 24
DENSE, SPARSE = "Dense teacher", "Sparse teacher (this mask)"
MOST = 6  # models side by side
SCALE = "RdBu_r"


@dataclass(frozen=True)
class Shown:
    """One model: its name, its reference, and the mask that is on it."""

    name: str
    reference: str
    mask: Mask | None = None


def show(run: Run, mask: Mask) -> None:
    """Choose a sentence and models; see which tokens pushed each of them."""
    card = sentences.card_of(run)
    texts = sentences.choose(run, card)
    known = {shown.name: shown for shown in models(run, mask)}
    names = st.multiselect(
        "Models", list(known), list(known)[:4], max_selections=MOST, key="tokens.models",
        help="The sparse teacher is the dense one with everything closed that this λ and "
        "sparsity remove.",
    )  # fmt: skip
    wanted = _target(card)
    if texts is None or not names:
        return
    length = run.recipe.params["max_length"]
    told: dict[str, AttributionResponse] = {}
    for name in names:
        told[name] = _ask(run.recipe.task, texts, known[name], wanted, length)
        wanted = told[name].target  # all explain what the first answers, so that they compare
    first = next(iter(told.values()))
    sentences.say_how_read(first.cut, first.unknown, len(first.tokens))
    _words(card, told, first.target)
    for together in _alike(told):
        _map(together)
    _tables(card, told)


def models(run: Run, mask: Mask) -> list[Shown]:
    """The teacher, dense and masked, its trial student, and the other students of it."""
    teacher, trial = run.recipe.inputs["teacher"], run.recipe.inputs["student"]
    sparse = {
        other.id for other in store.runs("prune", [State.DONE], run.recipe.task)
        if other.recipe.inputs["teacher"] == teacher
    }  # fmt: skip
    titles = frame.run_titles()
    found = [Shown(DENSE, teacher), Shown(SPARSE, teacher, mask)]
    students = [
        other for other in store.runs("distil", [State.DONE], run.recipe.task)
        if other.id == trial or other.recipe.inputs["teacher"] in {teacher, *sparse}
    ]  # fmt: skip

    def order(other: Run) -> tuple[bool, bool, float]:
        return other.id != trial, other.recipe.inputs["teacher"] not in sparse, other.created

    for other in sorted(students, key=order):
        found.append(Shown(f"{titles(other.recipe)} · {other.id[:6]}", other.id))
    if all(shown.reference != trial for shown in found):
        found.append(Shown("Trial student", trial))
    return found


def _target(card: TaskCard) -> int | None:
    """The class to explain; None is what the first model answers."""
    if not card.labels:
        return 0
    chosen = st.selectbox(
        "Explain", [None, *range(len(card.labels))], key="tokens.target",
        format_func=lambda place: "what the first model answers"
        if place is None else f"the class {card.labels[place]}",
        help="The log-odds of a class, log p / (1 − p): 0 is undecided, above 0 more likely "
        "than not.",
    )  # fmt: skip
    return None if chosen is None else int(chosen)


def _ask(
    task: str, texts: tuple[str, ...], shown: Shown, target: int | None, length: int
) -> AttributionResponse:
    packed = None if shown.mask is None else PackedMask.pack(shown.mask)
    request = AttributionRequest.of(
        {
            "task": task, "model": shown.reference, "texts": texts, "mask": packed,
            "target": target, "max_length": length,
        }
    )  # fmt: skip
    return ask_inspector.ask(request, AttributionResponse)


def _words(card: TaskCard, told: dict[str, AttributionResponse], target: int) -> None:
    name, first = next(iter(told.items()))
    values = np.where(first.special, 0.0, first.values)
    place = int(np.abs(values).argmax())
    what = f"{frame.plain(card.labels[target])}" if card.labels else "a high number"
    side = "towards" if values[place] > 0 else "away from"
    st.markdown(
        f"What counts for **{what}**: in the {name.lower()}, "
        f"**{frame.plain(tokens.visible(first.tokens[place]))}** moves most, "
        f"{values[place]:+.2f} {side} it.",
        help="Integrated gradients on the embeddings (Sundararajan et al., 2017; captum), from "
        "the same text with every word masked. Tokens sum to the difference between the two "
        "answers, up to the delta in the table below.",
    )


def _alike(told: dict[str, AttributionResponse]) -> list[dict[str, AttributionResponse]]:
    """Models that read the same tokens share a picture."""
    groups: dict[tuple[str, ...], dict[str, AttributionResponse]] = {}
    for name, each in told.items():
        groups.setdefault(tuple(each.tokens), {})[name] = each
    return list(groups.values())


def _map(told: dict[str, AttributionResponse]) -> None:
    first = next(iter(told.values()))
    values = np.stack([each.values for each in told.values()], axis=1)
    st.plotly_chart(
        picture(first, values, list(told)),
        width="stretch",
        key=f"tokens.map.{'.'.join(told)}",
        config=looks.CONFIG,
        alt=f"Contributions of {len(first.tokens)} tokens in {', '.join(told)}; from "
        f"{values.min():+.2f} to {values.max():+.2f}.",
    )
    st.caption("Red: for it; blue: against it. Special tokens are in italics.")
    table = pd.DataFrame(values, columns=list(told))
    table.insert(0, "token", tokens.numbered(first.tokens))
    frame.draw_table(table, "attributions", f"tokens.{'.'.join(told)}", "Tokens as a table")


def picture(first: AttributionResponse, values: np.ndarray, names: list[str]) -> go.Figure:
    """A row per token, a column per model, white at 0.

    Shapes: values (T, models).
    """
    count, columns = values.shape
    top = float(np.abs(values).max()) or 1.0
    ink: dict[str, Any] = {"color": looks.look().ink, "size": 11}
    figure = go.Figure(
        go.Heatmap(
            z=values.astype(np.float32), x0=1, dx=1, y0=1, dy=1, zmin=-top, zmax=top, xgap=2,
            ygap=1, colorscale=SCALE, texttemplate="%{z:+.2f}", hoverinfo="skip",
            colorbar={"thickness": 8, "tickfont": ink, "outlinewidth": 0, "xpad": 4},
        )
    )  # fmt: skip
    labels = [
        tokens.label(token, special)
        for token, special in zip(first.tokens, first.special, strict=True)
    ]
    figure.update_xaxes(
        tickvals=list(range(1, columns + 1)), ticktext=[_wrapped(name) for name in names],
        side="top", range=[0.5, columns + 0.5], fixedrange=True, showgrid=False, tickangle=0,
        automargin=True, zeroline=False,
    )  # fmt: skip
    figure.update_yaxes(
        tickvals=list(range(1, count + 1)), ticktext=labels, range=[count + 0.5, 0.5],
        fixedrange=True, showgrid=False, automargin=True, zeroline=False,
    )  # fmt: skip
    return looks.plain(figure, height=110 + CELL * max(count, 4))


def _wrapped(name: str, width: int = 12) -> str:
    """A column's name in short lines."""
    lines = [""]
    for word in tokens.label(name[:60]).split() if len(name) <= 18 else name[:60].split():
        if lines[-1] and len(lines[-1]) + len(word) >= width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "<br>".join(tokens.label(line) for line in lines)


def _tables(card: TaskCard, told: dict[str, AttributionResponse]) -> None:
    """Each model's answer, and how exact its attributions are."""
    st.dataframe(answers(card, told), width="stretch", hide_index=True, key="tokens.answers")
    st.caption(
        "Delta: what the tokens' sum lacks or exceeds; steps are doubled until it is within 1 % "
        "of the difference."
    )


def answers(card: TaskCard, told: dict[str, AttributionResponse]) -> pd.DataFrame:
    """One row per model: its answer, what is explained, and the convergence delta."""
    rows = []
    for name, each in told.items():
        row: dict[str, Any] = {"model": name}
        if card.labels:
            shares = softmax(each.logits.astype(float))
            row["answer"] = card.labels[int(shares.argmax())]
            row[f"p({card.labels[each.target]})"] = round(float(shares[each.target]), 4)
        row |= {
            "output": round(each.output, 4), "words masked": round(each.start, 4),
            "sum of tokens": round(float(each.values.sum()), 4), "delta": round(each.delta, 5),
            "steps": each.steps,
        }  # fmt: skip
        rows.append(row)
    return pd.DataFrame(rows)


# --- heads and neurons ------------------------------------------------------------------------


def scores(run: Run) -> dict[str, Path]:
    """Attributions of the scored teacher's heads and neurons, by name: one of each kind."""
    found: dict[str, Path] = {}
    for other in _runs(run):
        if other.state is State.DONE:
            found.setdefault(tables.ATTRIBUTIONS[other.recipe.variant], other.folder / "scores.npz")
    return found


def _runs(run: Run) -> list[Run]:
    teacher = run.recipe.inputs["teacher"]
    return [
        other for other in store.runs("attribute", task=run.recipe.task)
        if other.recipe.inputs["teacher"] == teacher
    ]  # fmt: skip


def launch(run: Run) -> None:
    """Attributions under way, and the form that measures others."""
    for other in _runs(run):
        if other.state is not State.DONE:
            unfinished.draw_unfinished(other)
    with st.expander("Measure captum's scores of the units", icon=":material/add:"):
        st.caption(
            "Conductance and gradient × activation of the gold class's log-odds, as two more "
            "scores to hold against the ablation."
        )
        with st.form("attribute", border=False):
            values = fields.ask(AttributeParams, "attribute", columns=2)
            pressed = st.form_submit_button(
                "Measure", type="primary", icon=":material/play_arrow:"
            )  # fmt: skip
    if pressed:
        recipe = recipes.attribute(
            run.recipe.task, run.recipe.inputs["teacher"],
            fields.checked(AttributeParams, values), run.recipe.params["max_length"],
        )  # fmt: skip
        jobs.submit([recipe], frame.chosen_device())
        st.rerun()
