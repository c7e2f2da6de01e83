"""What each token contributed: dense teacher, sparse teacher and students side by side."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import plotly.graph_objects as go
import streamlit as st
from numpy.typing import NDArray

from pages.parts.explain import example_picker
from pages.parts.explain.ask_inspector import ask
from pages.parts.forms import fields
from pages.parts.runs import unfinished
from pages.parts.shell import figure_theme, frame
from sparsekd.catalog.fields import validated
from sparsekd.catalog.stage_parameters import AttributeParams
from sparsekd.inspector import requests, response_tables, token_text
from sparsekd.inspector.protocol import AttributionResponse
from sparsekd.runs import attributions, references
from sparsekd.runs.records import Run, State
from sparsekd.studies import recipes
from sparsekd.tasks import TaskCard
from sparsekd.units.masking import Mask

CELL = 24  # pixels of a token's row
DENSE, SPARSE = "Dense teacher", "Sparse teacher (this mask)"
MOST = 6  # models side by side
SCALE = "RdBu_r"

Found = dict[str, AttributionResponse]


@dataclass(frozen=True)
class ComparedModel:
    """A model beside others: its name on the page, its reference, and the mask on it."""

    name: str
    reference: str
    mask: Mask | None = None


def draw_attributions(run: Run, mask: Mask) -> None:
    """Choose a sentence and models, and draw what each token contributed to their outputs."""
    card = references.card(run.recipe.task)
    texts = example_picker.choose_example(run, card)
    known = {model.name: model for model in compared_models(run, mask)}
    names = st.multiselect(
        "Models",
        list(known),
        list(known)[:4],
        max_selections=MOST,
        key="tokens.models",
        help="The sparse teacher is the dense one without the units that this λ and sparsity "
        "remove.",
    )
    target = _choose_target(card)
    if texts is None or not names:
        return
    found: Found = {}
    for name in names:
        model = known[name]
        request = requests.attribution(run, model.reference, texts, model.mask, target)
        found[name] = ask(request, AttributionResponse)
        target = found[name].target  # the first model's class for all, so that they compare
    first = next(iter(found.values()))
    example_picker.draw_tokenizer_notes(first.cut, first.unknown, len(first.tokens))
    _draw_summary(card, found)
    for group in response_tables.by_tokens(found):
        _draw_map(group)
    st.dataframe(
        response_tables.outputs(card, found), width="stretch", hide_index=True, key="tokens.answers"
    )
    st.caption(
        "Delta: the difference between the sum of the tokens and the change of the output; the "
        "number of steps is doubled until it is within 1%."
    )


def compared_models(run: Run, mask: Mask) -> list[ComparedModel]:
    """Return the scored teacher, dense and masked, its trial student, and its other students."""
    teacher, trial = run.recipe.inputs["teacher"], run.recipe.inputs["student"]
    title = frame.run_titles()
    found = [ComparedModel(DENSE, teacher), ComparedModel(SPARSE, teacher, mask)]
    for student in attributions.students(run):
        found.append(ComparedModel(f"{title(student.recipe)} · {student.id[:6]}", student.id))
    if all(model.reference != trial for model in found):
        found.append(ComparedModel("Trial student", trial))
    return found


def _choose_target(card: TaskCard) -> int | None:
    """Choose the class to explain; None is the first model's prediction."""
    if not card.labels:
        return 0

    def label(place: int | None) -> str:
        if place is None:
            return f"the first model's {'likeliest label' if card.multilabel else 'prediction'}"
        return f"{_output(card)} {card.labels[place]}"

    chosen = st.selectbox(
        "Explain",
        [None, *range(len(card.labels))],
        key="tokens.target",
        format_func=label,
        help=f"The log-odds of {_output(card)}, log p / (1 − p): 0 is undecided, above 0 more "
        "likely than not.",
    )
    return None if chosen is None else int(chosen)


def _output(card: TaskCard) -> str:
    return "the label" if card.multilabel else "the class"


def _draw_summary(card: TaskCard, found: Found) -> None:
    name, first = next(iter(found.items()))
    word, value = response_tables.largest(first)
    what = "a high number"
    if card.labels:
        what = f"{_output(card)} {frame.plain(card.labels[first.target])}"
    side = "for" if value > 0 else "against"
    st.markdown(
        f"In the {name.lower()}, **{frame.plain(word)}** contributes most to the output: "
        f"{value:+.2f}, {side} **{what}**.",
        help="Integrated gradients on the embeddings (Sundararajan et al., 2017; captum), from "
        "the same text with every word masked. Tokens sum to the difference between the two "
        "outputs, up to the delta in the table below.",
    )


def _draw_map(found: Found) -> None:
    """Draw the contributions in models that read the same tokens."""
    names, values = list(found), response_tables.contributions(found)
    st.plotly_chart(
        plot_attributions(next(iter(found.values())), values, names),
        width="stretch",
        key=f"tokens.map.{'.'.join(names)}",
        config=figure_theme.CONFIG,
        alt=f"Contributions of {len(values)} tokens in {', '.join(names)}; from "
        f"{values.min():+.2f} to {values.max():+.2f}.",
    )
    st.caption("Red: for the output; blue: against it. Special tokens are in italics.")
    table = response_tables.token_contributions(found)
    frame.draw_table(table, "attributions", f"tokens.{'.'.join(names)}", "Tokens as a table")


def plot_attributions(
    first: AttributionResponse, values: NDArray[np.float64], names: list[str]
) -> go.Figure:
    """Return a map with a row per token and a column per model, white at 0.

    Args:
        first: The tokens, shared by all models.

    Shapes: values (T, models).
    """
    count, columns = values.shape
    top = float(np.abs(values).max()) or 1.0
    ink: dict[str, Any] = {"color": figure_theme.current().ink, "size": 11}
    figure = go.Figure(
        go.Heatmap(
            z=values.astype(np.float32),
            x0=1,
            dx=1,
            y0=1,
            dy=1,
            zmin=-top,
            zmax=top,
            xgap=2,
            ygap=1,
            colorscale=SCALE,
            texttemplate="%{z:+.2f}",
            hoverinfo="skip",
            colorbar={"thickness": 8, "tickfont": ink, "outlinewidth": 0, "xpad": 4},
        )
    )
    shared: dict[str, Any] = {
        "fixedrange": True,
        "showgrid": False,
        "automargin": True,
        "zeroline": False,
    }
    figure.update_xaxes(
        tickvals=list(range(1, columns + 1)),
        ticktext=[token_text.wrapped(name) for name in names],
        side="top",
        range=[0.5, columns + 0.5],
        tickangle=0,
        **shared,
    )
    figure.update_yaxes(
        tickvals=list(range(1, count + 1)),
        ticktext=token_text.ticks(first.tokens, first.special),
        range=[count + 0.5, 0.5],
        **shared,
    )
    return figure_theme.apply(figure, height=110 + CELL * max(count, 4))


# --- heads and neurons ------------------------------------------------------------------------


def draw_new_attributions(run: Run) -> None:
    """Draw the attributions of units that are not done, and the form that measures others."""
    for other in attributions.of_scored_teacher(run):
        if other.state is not State.DONE:
            unfinished.draw_unfinished(other)
    with st.expander("Measure attributions of the units", icon=":material/add:"):
        st.caption(
            "Attributions of the gold class's log-odds to heads and neurons, as further scores to "
            "compare with the ablation."
        )
        with st.form("attribute", border=False):
            values = fields.draw_fields(AttributeParams, "attribute", columns=2)
            pressed = st.form_submit_button("Measure", type="primary", icon=":material/play_arrow:")
    if pressed:
        inputs, length = run.recipe.inputs, run.recipe.params["max_length"]
        params = validated(AttributeParams, values)
        recipe = recipes.attribute(run.recipe.task, inputs["teacher"], params, length)
        frame.submit([recipe])
        st.rerun()
