"""What removing units really does: maps of the measured changes, and the form that measures."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from pages.parts.explain import change_maps, unit_card
from pages.parts.forms import fields
from pages.parts.runs import unfinished
from pages.parts.shell import figure_theme, frame
from sparsekd.catalog import rankings
from sparsekd.catalog.fields import validated
from sparsekd.catalog.stage_parameters import AblateParams
from sparsekd.runs import ablations, references
from sparsekd.runs.records import Run, State
from sparsekd.studies import recipes
from sparsekd.units import ablation_tables, ablation_words, harm
from sparsekd.units.ablation import Ablation, Measure
from sparsekd.units.harm import Granularity

FIRST = ("examples", "neuron_groups")
CHOSEN = ("split", "neuron_layer", "ranking")  # by widgets of their own


def load(run: Run) -> Ablation:
    """Load what an ablation run has measured.

    Raises:
        NotFound, BadInput: the file is missing or broken.
    """
    return _load(str(run.folder), run.finished or 0.0)


@st.cache_data(max_entries=32, show_spinner=False)
def _load(folder: str, finished: float) -> Ablation:
    return Ablation.load(Path(folder) / "ablation.npz")


# --- what was measured -----------------------------------------------------------------------


def draw_ablation(run: Run) -> None:
    """Draw the measured changes of one ablation run; a click chooses a head."""
    found = load(run)
    measure = _choose_measure(found)
    st.markdown(
        ablation_words.summary(found, measure, frame.plain), help=ablation_words.HELP[measure]
    )
    left, right = st.columns(2)
    with left:
        st.markdown("**Heads**, each removed alone")
        _draw_map(found, "head", measure)
    with right:
        st.markdown(f"**Neurons**, in {ablation_words.grouping(found)}")
        _draw_map(found, "group", measure)
    _draw_table(found, "head", "Heads as a table")
    _draw_table(found, "group", "Groups of neurons as a table")
    if found.neuron_layer is not None:
        _draw_neurons(found, found.neuron_layer, measure)


def _choose_measure(found: Ablation) -> Measure:
    chosen: Measure = st.segmented_control(
        "Effect on",
        list(found.measures),
        default="task_loss",
        required=True,
        key="ablation.kind",
        format_func=lambda measure: ablation_words.title(found, measure),
        help="A change: the teacher with the unit removed, minus the whole teacher.",
    )
    if not found.with_student:
        st.caption("Without a student, the distance to it was not measured.")
    return chosen


def _draw_map(found: Ablation, granularity: Granularity, measure: Measure) -> None:
    values = harm.changes(found, granularity, measure)
    heads = granularity == "head"
    chosen = unit_card.chosen_head(values.shape) if heads else None
    key = f"ablation.{granularity}"
    click: Callable[[], None] | Literal["ignore"] = (
        partial(unit_card.store_click, key) if heads else "ignore"
    )
    title = ablation_words.title(found, measure).lower()
    st.plotly_chart(
        change_maps.plot_changes(values, measure, granularity, chosen),
        width="stretch",
        key=key,
        config=figure_theme.CONFIG,
        alt=f"Change of the {title} when each {granularity} is removed alone, "
        f"{values.shape[0]} layers of {values.shape[1]}; from {values.min():+.3g} to "
        f"{values.max():+.3g}, red is harm.",
        on_select=click,
        selection_mode="points",
    )


def _draw_table(found: Ablation, granularity: Granularity, words: str) -> None:
    table = ablation_tables.changes(found, granularity)
    frame.draw_table(table, f"ablation-{granularity}s", f"ablation.{granularity}s", words)


def _draw_neurons(found: Ablation, layer: int, measure: Measure) -> None:
    """Draw the neurons of one layer, the most harmful to remove first."""
    values = harm.changes(found, "neuron", measure)[0]
    order = ablation_tables.by_harm(found, measure)
    change = f"Change of the {ablation_words.title(found, measure).lower()}"
    st.markdown(f"**Neurons of layer {layer + 1}**, each removed alone, the most harmful first")
    figure = go.Figure(
        go.Scattergl(
            x=np.arange(1, len(order) + 1),
            y=values[order],
            mode="markers",
            customdata=order + 1,
            marker={"size": 4, "color": figure_theme.current().cross},
            hovertemplate="neuron %{customdata}<br>%{y:+.4g}<extra></extra>",
        )
    )
    st.plotly_chart(
        figure_theme.apply(figure, "Rank", change, height=260),
        width="stretch",
        key="ablation.neuron",
        config=figure_theme.CONFIG,
        alt=f"{change} when each of {len(order)} neurons is removed alone; from "
        f"{values.min():+.3g} to {values.max():+.3g}.",
    )
    _draw_table(found, "neuron", "Single neurons as a table")


# --- measuring -------------------------------------------------------------------------------


def draw_new_ablation(teacher: Run) -> None:
    """Draw the ablations of this teacher that are not done, and the form that starts another."""
    if teacher.recipe.stage == "prune":
        st.info(
            "A pruned teacher's layers differ: ablate the teacher that it was pruned from.",
            icon=":material/info:",
        )
        return
    runs = ablations.of_teacher(teacher.id)
    for run in runs:
        if run.state is not State.DONE:
            unfinished.draw_unfinished(run)
    with st.expander(
        "Measure a new ablation", icon=":material/add:", expanded=not runs, key="ablation.new"
    ):
        _draw_form(teacher)


def _draw_form(teacher: Run) -> None:
    st.caption("Every head, and every group of neurons, is removed alone and put back.")
    with st.form("ablation", border=False):
        split, student, ranking = _choose_inputs(teacher)
        values = fields.draw_fields(
            AblateParams, "ablation", first=FIRST, without=CHOSEN, columns=2
        )
        layer = st.number_input(
            "Single neurons of layer",
            1,
            None,
            None,
            key="ablation.layer",
            placeholder="none",
            help="Also remove this layer's neurons one by one (1 is next to the embeddings): as "
            "many removals as it has neurons.",
        )
        pressed = st.form_submit_button("Ablate", type="primary", icon=":material/play_arrow:")
    if pressed:
        values |= {"split": split, "neuron_layer": None if layer is None else int(layer) - 1}
        of_weights = ranking in rankings.RANKINGS
        values |= {"ranking": ranking} if of_weights else {}
        scores = "" if of_weights else ranking
        params = validated(AblateParams, values)
        recipe = teacher.recipe
        length = recipe.params["train"]["max_length"]
        wanted = recipes.ablate(recipe.task, teacher.id, params, length, student, scores)
        frame.submit([wanted])
        st.rerun()


def _choose_inputs(teacher: Run) -> tuple[str, str, str]:
    """Choose the split, the student ("" for none), and the ranking or scores of the neurons."""
    students, scores = ablations.students(teacher), ablations.scores(teacher)
    card = references.cards().get(teacher.recipe.task)
    split = st.selectbox(
        "Split",
        ["selection", "train", *(card.validation if card else ())],
        key="ablation.split",
        help=AblateParams.model_fields["split"].description,
    )
    student = st.selectbox(
        "Student",
        [*students, ""],
        key="ablation.student",
        format_func=lambda name: students.get(name, "none"),
        help="The distance of the teacher's outputs to this student's is measured too.",
    )
    weights = rankings.names("weights")
    ranks = st.selectbox(
        "Neurons ranked by",
        [*weights, *scores],
        index=weights.index(AblateParams().ranking),
        key="ablation.scores",
        format_func=lambda name: scores.get(name) or rankings.find(name).title,
        help="Groups follow this ranking, so that a group holds neurons of similar rank.",
    )
    return split, student, ranks
