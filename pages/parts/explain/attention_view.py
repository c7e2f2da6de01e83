"""What a unit does: where a head looks, and what a neuron answers to."""

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from pages.parts.explain import ask_inspector, sentences, tokens
from pages.parts.shell import frame, looks, url_state
from sparsekd.inspector.protocol import (
    AttentionRequest,
    AttentionResponse,
    PackedMask,
    TopTokensRequest,
    TopTokensResponse,
)
from sparsekd.runs.records import Run
from sparsekd.units.attention import attention_shares
from sparsekd.units.masking import Mask

CELL = 22  # pixels of a token's row
NAMED = 64  # tokens up to which every cell names its two
ACROSS = 24  # names that fit over the columns on a telephone


def of_head(run: Run, layer: int, head: int, mask: Mask) -> None:
    """The attention of one head on one sentence of the task."""
    card = sentences.card_of(run)
    texts = sentences.choose(run, card, ("head", layer, head))
    if texts is None:
        return
    masked = st.toggle(
        "In the masked teacher", key=url_state.bound("masked"),
        help="The teacher with everything closed that this λ and sparsity remove. What lies "
        "below a head changes what it looks at.",
    )  # fmt: skip
    url_state.write(masked=masked)
    request = AttentionRequest.of(
        {
            "task": run.recipe.task, "model": run.recipe.inputs["teacher"], "texts": texts,
            "mask": PackedMask.pack(mask) if masked else None,
            "max_length": run.recipe.params["max_length"],
        }
    )  # fmt: skip
    show(ask_inspector.ask(request, AttentionResponse), layer, head)


def show(seen: AttentionResponse, layer: int, head: int) -> None:
    """One head's attention as a map, in words, and as a table."""
    sentences.say_how_read(seen.cut, seen.unknown, len(seen.tokens))
    rows = seen.attention[layer, head]
    if np.isnan(rows).any():
        st.info("The model has lost this head.", icon=":material/content_cut:")
        return
    shares = attention_shares(rows, seen.special)
    words = ", ".join(f"{share:.0%} {name}" for name, share in shares.items())
    st.markdown(
        f"Where layer {layer + 1}, head {head + 1} looks from the words of this text: {words}.",
        help="Mean share of a word's attention. Special tokens are often where a head looks when "
        "it has nothing to do.",
    )
    names = tokens.numbered(seen.tokens)
    st.plotly_chart(
        picture(seen, rows),
        width="stretch",
        key="attention.map",
        config=looks.CONFIG,
        alt=f"Attention of layer {layer + 1}, head {head + 1} between {len(names)} tokens; a row "
        f"is the token that looks. From its words, {words}.",
    )
    st.caption(
        "A row looks at the columns, which are the same tokens in the same order; rows sum to 1. "
        "Special tokens are in italics."
    )
    table = pd.DataFrame(rows, columns=names)
    table.insert(0, "looks", names)
    frame.draw_table(table, "attention", "attention", "Attention as a table")


def picture(seen: AttentionResponse, rows: np.ndarray) -> go.Figure:
    """Who looks (rows) at whom (columns).

    Shapes: rows (T, T).
    """
    count = len(seen.tokens)
    labels = [
        tokens.label(token, special)
        for token, special in zip(seen.tokens, seen.special, strict=True)
    ]
    ink = {"color": looks.look().ink, "size": 11}
    gap, step = int(count <= ACROSS), -(-count // ACROSS)
    figure = go.Figure(
        go.Heatmap(
            z=rows.astype(np.float32), x0=1, dx=1, y0=1, dy=1, zmin=0, zmax=1, xgap=gap, ygap=1,
            colorscale=looks.SCALE, text=_pairs(labels) if count <= NAMED else None,
            hovertemplate="%{text}: %{z:.3f}<extra></extra>"
            if count <= NAMED
            else "token %{y} → %{x}: %{z:.3f}<extra></extra>",
            colorbar={"thickness": 8, "tickfont": ink, "outlinewidth": 0, "xpad": 4},
        )
    )  # fmt: skip
    places = list(range(1, count + 1))
    plain = {"showgrid": False, "zeroline": False, "fixedrange": True, "automargin": True}
    figure.update_xaxes(
        **plain, tickvals=places[::step], ticktext=labels[::step], side="top", tickangle=-90,
        range=[0.5, count + 0.5],
    )  # fmt: skip
    figure.update_yaxes(**plain, tickvals=places, ticktext=labels, range=[count + 0.5, 0.5])
    return looks.plain(figure, height=130 + CELL * max(count, 6))


def _pairs(labels: list[str]) -> list[list[str]]:
    return [[f"{one} → {other}" for other in labels] for one in labels]


# --- neurons ---------------------------------------------------------------------------------


def of_neuron(run: Run, layer: int, neuron: int) -> None:
    """The tokens, in their sentences, at which a neuron of the teacher is most active."""
    request = TopTokensRequest.of(
        {
            "task": run.recipe.task, "model": run.recipe.inputs["teacher"], "layer": layer,
            "max_length": run.recipe.params["max_length"],
        }
    )  # fmt: skip
    found = ask_inspector.ask(request, TopTokensResponse)
    table = strongest(found, neuron)
    often = table["token"].value_counts()
    word, times = str(often.index[0]), int(often.iloc[0])
    st.markdown(
        f"Over {found.examples:,} examples of the selection split, neuron {neuron + 1} of layer "
        f"{layer + 1} is most active at these tokens; **{frame.plain(word)}** is "
        f"{times} of the first {len(table)}.",
        help="The activation after the non-linearity, before the second matrix: what the gate "
        "multiplies.",
    )
    st.dataframe(table, width="stretch", hide_index=True, key="neuron.top")
    frame.draw_download(table, "neuron", "neuron.csv")


def strongest(found: TopTokensResponse, neuron: int) -> pd.DataFrame:
    """One row per token: activation, token, and the text around it."""
    places = zip(found.values[neuron], found.rows[neuron], found.positions[neuron], strict=True)
    rows = []
    for value, row, place in places:
        read = found.tokens[str(row)]
        rows.append((float(value), tokens.visible(read[place]), tokens.joined(read, int(place))))
    return pd.DataFrame(rows, columns=["activation", "token", "in its text"])
