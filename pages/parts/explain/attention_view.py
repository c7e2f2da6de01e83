"""What a unit does: where a head attends, and at which tokens a neuron is active."""

from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from pages.parts.explain import example_picker
from pages.parts.explain.ask_inspector import ask
from pages.parts.shell import figure_theme, frame, url_state
from sparsekd.inspector import requests, response_tables, token_text
from sparsekd.inspector.protocol import AttentionResponse, TopTokensResponse
from sparsekd.runs import references
from sparsekd.runs.records import Run
from sparsekd.units.attention import attention_shares
from sparsekd.units.masking import Mask

CELL = 22  # pixels of a token's row
NAMED = 64  # tokens up to which every cell names its two
ACROSS = 24  # names that fit over the columns on a telephone


def draw_head(run: Run, layer: int, head: int, mask: Mask) -> None:
    """Choose a sentence of the task, and draw the attention of one head on it."""
    card = references.card(run.recipe.task)
    texts = example_picker.choose_example(run, card, ("head", layer, head))
    if texts is None:
        return
    masked = st.toggle(
        "In the masked teacher",
        key=url_state.bound("masked"),
        help="The teacher without the units that this λ and sparsity remove. What is removed "
        "below a head changes what it attends to.",
    )
    url_state.write(masked=masked)
    request = requests.attention(run, texts, mask if masked else None)
    draw_attention(ask(request, AttentionResponse), layer, head)


def draw_attention(found: AttentionResponse, layer: int, head: int) -> None:
    """Draw one head's attention as a map, in words, and as a table."""
    example_picker.draw_tokenizer_notes(found.cut, found.unknown, len(found.tokens))
    rows = found.attention[layer, head]
    if np.isnan(rows).any():
        st.info("This head was pruned from the model.", icon=":material/content_cut:")
        return
    shares = attention_shares(rows, found.special)
    words = ", ".join(f"{share:.0%} {name}" for name, share in shares.items())
    st.markdown(
        f"Attention of layer {layer + 1}, head {head + 1} from the words of this text: {words}.",
        help="Mean share of a word's attention. Heads often attend to special tokens when they "
        "have nothing to contribute.",
    )
    st.plotly_chart(
        plot_attention(found, rows),
        width="stretch",
        key="attention.map",
        config=figure_theme.CONFIG,
        alt=f"Attention of layer {layer + 1}, head {head + 1} between {len(found.tokens)} tokens; "
        f"a row is the attending token. From its words, {words}.",
    )
    st.caption(
        "Each row attends to the columns, the same tokens in the same order; rows sum to 1. "
        "Special tokens are in italics."
    )
    table = response_tables.attention(rows, found.tokens)
    frame.draw_table(table, "attention", "attention", "Attention as a table")


def plot_attention(found: AttentionResponse, rows: NDArray[np.float32]) -> go.Figure:
    """Return a map of attention from tokens (rows) to tokens (columns).

    Shapes: rows (T, T).
    """
    count, few = len(found.tokens), len(found.tokens) <= NAMED
    labels = token_text.ticks(found.tokens, found.special)
    ink = {"color": figure_theme.current().ink, "size": 11}
    figure = go.Figure(
        go.Heatmap(
            z=rows.astype(np.float32),
            x0=1,
            dx=1,
            y0=1,
            dy=1,
            zmin=0,
            zmax=1,
            xgap=int(count <= ACROSS),
            ygap=1,
            colorscale=figure_theme.SCALE,
            text=[[f"{one} → {other}" for other in labels] for one in labels] if few else None,
            hovertemplate=f"{'%{text}' if few else 'token %{y} → %{x}'}: %{{z:.3f}}<extra></extra>",
            colorbar={"thickness": 8, "tickfont": ink, "outlinewidth": 0, "xpad": 4},
        )
    )
    _label_tokens(figure, labels)
    return figure_theme.apply(figure, height=130 + CELL * max(count, 6))


def _label_tokens(figure: go.Figure, labels: list[str]) -> None:
    count, step = len(labels), -(-len(labels) // ACROSS)
    places = list(range(1, count + 1))
    shared: dict[str, Any] = {
        "showgrid": False,
        "zeroline": False,
        "fixedrange": True,
        "automargin": True,
    }
    figure.update_xaxes(
        tickvals=places[::step],
        ticktext=labels[::step],
        side="top",
        tickangle=-90,
        range=[0.5, count + 0.5],
        **shared,
    )
    figure.update_yaxes(tickvals=places, ticktext=labels, range=[count + 0.5, 0.5], **shared)


# --- neurons ---------------------------------------------------------------------------------


def draw_neuron(run: Run, layer: int, neuron: int) -> None:
    """Draw the tokens, in their sentences, at which a neuron of the teacher is most active."""
    found = ask(requests.top_tokens(run, layer), TopTokensResponse)
    table = response_tables.top_tokens(found, neuron)
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
