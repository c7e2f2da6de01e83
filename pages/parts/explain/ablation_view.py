"""What removing units really does: maps of the measured changes, and the form that measures."""

from functools import partial
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import streamlit as st

from pages.parts.explain import change_maps, unit_card
from pages.parts.forms import fields
from pages.parts.runs import unfinished
from pages.parts.shell import frame, looks
from sparsekd.catalog.stage_parameters import AblateParams
from sparsekd.runs import jobs, references, score_runs, store
from sparsekd.runs.records import Run, State
from sparsekd.studies import recipes
from sparsekd.system.wording import counted
from sparsekd.tasks.metrics import METRICS
from sparsekd.units import harm, score_tables
from sparsekd.units.ablation import Ablation, Measure
from sparsekd.units.harm import Granularity

HELP: dict[Measure, str] = {
    "task_loss": "Mean task loss with the removal minus without: above 0, the unit was needed.",
    "metric": "The task's metric with the removal minus without: below 0, the unit was needed.",
    "distance": "Mean KL divergence (T = 2) of the teacher's answers from the student's, with the "
    "removal minus without; for regression the mean squared difference. Above 0, the teacher "
    "moves away from what this student can say.",
}
FIRST = ("examples", "neuron_groups")


# --- what there is ---------------------------------------------------------------------------


def finished(teacher: Run) -> list[Run]:
    """Ablations of a teacher that are done, the newest first."""
    return [run for run in _of(teacher) if run.state is State.DONE]


def _of(teacher: Run) -> list[Run]:
    found = store.runs("ablate")
    return [run for run in found if run.recipe.inputs["teacher"] == teacher.id]


def load(run: Run) -> Ablation:
    """What an ablation run has measured.

    Raises:
        NotFound, BadInput: the file is missing or broken.
    """
    found: Ablation = _load(str(run.folder), run.finished or 0.0)
    return found


@st.cache_data(max_entries=32, show_spinner=False)  # type: ignore[untyped-decorator]
def _load(folder: str, finished: float) -> Ablation:
    return Ablation.load(Path(folder) / "ablation.npz")


def words(run: Run) -> str:
    """One ablation in a line."""
    params = AblateParams.of(run.recipe.params["ablate"])
    student = run.recipe.inputs.get("student", "").split("#")[0]
    beside = f" · against student {student}" if student else ""
    return f"{params.split}, {run.outcome.facts['examples']:,} examples{beside} · run {run.id}"


# --- showing ---------------------------------------------------------------------------------


def show(run: Run) -> None:
    """The measured changes of one ablation run as maps and tables; a click chooses a head."""
    found = load(run)
    kind = _kind(found)
    _answer(found, kind)
    left, right = st.columns(2)
    with left:
        _map(found, "head", kind)
    with right:
        _map(found, "group", kind)
    _tables(found)
    if found.neuron_layer is not None:
        _singly(found, kind)


def title(found: Ablation, kind: Measure) -> str:
    """A measured value in words."""
    names = {"task_loss": "Task loss", "distance": "Distance to the student"}
    known = METRICS.get(found.metric)
    return names.get(kind) or (known.title if known else found.metric)


def _kind(found: Ablation) -> Measure:
    chosen: Measure = st.segmented_control(
        "Effect on", list(found.measures), default="task_loss", required=True, key="ablation.kind",
        format_func=lambda kind: title(found, kind),
        help="A change: the teacher with the unit removed, minus the whole teacher.",
    )  # fmt: skip
    if not found.with_student:
        st.caption("No student was given, so the distance to it is not known.")
    return chosen


def _answer(found: Ablation, kind: Measure) -> None:
    """Which head matters most, and how many could go alone without harm."""
    harms = harm.harms(found, "head", kind)
    change = found.heads(kind)
    layer, head = np.unravel_index(int(harms.argmax()), harms.shape)
    free = int((harms <= 0).sum())
    name = title(found, kind).lower()
    where = "the most harmful" if free < harms.size else "the least helpful"
    st.markdown(
        f"The whole teacher's {name} is {found.dense_value(kind):.4g}. "
        f"Without **layer {layer + 1}, head {head + 1}** it changes by "
        f"**{change[layer, head]:+.3g}**: {where} removal of "
        f"{counted(harms.size, 'head')}. **{free:,}** of them could go alone without harm "
        f"to it, on {found.provenance['examples']:,} examples of "
        f"{frame.plain(str(found.provenance['split']))}.",
        help=HELP[kind],
    )


def _map(found: Ablation, what: Granularity, kind: Measure) -> None:
    values = harm.changes(found, what, kind)
    heads = what == "head"
    chosen = unit_card.chosen_head(values.shape) if heads else None
    st.markdown("**Heads**, each alone" if heads else f"**Neurons**, in {_grouped(found)}")
    key = f"ablation.{what}"
    clicks = {"on_select": partial(unit_card.store_click, key), "selection_mode": "points"}
    st.plotly_chart(
        change_maps.around_zero(values, kind, what, chosen),
        width="stretch",
        key=key,
        config=looks.CONFIG,
        alt=f"Change of the {title(found, kind).lower()} when each {what} is removed alone, "
        f"{values.shape[0]} layers of {values.shape[1]}; from {values.min():+.3g} to "
        f"{values.max():+.3g}, red is harm.",
        **(clicks if heads else {}),
    )


def _grouped(found: Ablation) -> str:
    by = "their scores" if found.provenance.get("ranked_by") == "scores" else "their weights"
    return f"groups by {by}, 1 the lowest"


def _tables(found: Ablation) -> None:
    _table(found, "head", "Heads as a table")
    _table(found, "group", "Groups of neurons as a table")


def _table(found: Ablation, what: Granularity, words: str, **more: int) -> None:
    values = {title(found, kind): harm.changes(found, what, kind) for kind in found.measures}
    table = score_tables.per_unit(values, what).assign(**more)
    frame.draw_table(table, f"ablation-{what}s", f"ablation.{what}s", words)


def _singly(found: Ablation, kind: Measure) -> None:
    """The neurons of one layer, the most harmful first."""
    layer, values = found.neuron_layer, harm.changes(found, "neuron", kind)[0]
    if layer is None:
        return
    order = np.argsort(-harm.harms(found, "neuron", kind)[0], kind="stable")
    st.markdown(f"**Neurons of layer {layer + 1}**, each alone, the most harmful first")
    figure = go.Figure(
        go.Scattergl(
            x=np.arange(1, len(order) + 1), y=values[order], mode="markers",
            customdata=order + 1, marker={"size": 4, "color": looks.look().cross},
            hovertemplate="neuron %{customdata}<br>%{y:+.4g}<extra></extra>",
        )
    )  # fmt: skip
    st.plotly_chart(
        looks.plain(figure, "Place", f"Change of the {title(found, kind).lower()}", height=260),
        width="stretch",
        key="ablation.neuron",
        config=looks.CONFIG,
        alt=f"Change of the {title(found, kind).lower()} when each of {len(order)} neurons is "
        f"removed alone; from {values.min():+.3g} to {values.max():+.3g}.",
    )
    _table(found, "neuron", "Single neurons as a table", layer=layer + 1)


# --- measuring -------------------------------------------------------------------------------


def launch(teacher: Run) -> None:
    """Ablations of this teacher under way, and the form that starts another."""
    if teacher.recipe.stage == "prune":
        st.info(
            "A pruned teacher's layers differ: ablate the teacher that it was pruned from.",
            icon=":material/info:",
        )
        return
    runs = _of(teacher)
    for run in runs:
        if run.state is not State.DONE:
            unfinished.draw_unfinished(run)
    with st.expander(
        "Measure a new ablation", icon=":material/add:", expanded=not runs, key="ablation.new"
    ):
        _form(teacher)


def _form(teacher: Run) -> None:
    st.caption("Every head, and every group of neurons, is removed alone and put back.")
    with st.form("ablation", border=False):
        split, student, scores = _against(teacher)
        values = fields.ask(
            AblateParams, "ablation", first=FIRST, without=("split", "neuron_layer"), columns=2
        )
        layer = st.number_input(
            "Single neurons of layer", 1, None, None, key="ablation.layer", placeholder="none",
            help="Remove this layer's neurons one by one too (1 is next to the embeddings): "
            "as many removals as it has neurons.",
        )  # fmt: skip
        pressed = st.form_submit_button("Ablate", type="primary", icon=":material/play_arrow:")
    if pressed:
        values |= {"split": split, "neuron_layer": None if layer is None else int(layer) - 1}
        params = fields.checked(AblateParams, values)
        recipe = teacher.recipe
        length = recipe.params["train"]["max_length"]
        wanted = recipes.ablate(recipe.task, teacher.id, params, length, student, scores)
        jobs.submit([wanted], frame.chosen_device())
        st.rerun()


def _against(teacher: Run) -> tuple[str, str, str]:
    """The split, the student ("" for none), and the scores that rank the neurons ("" for none)."""
    done, task = [State.DONE], teacher.recipe.task
    students = {
        run.id: score_runs.student_label(run)
        for run in store.runs("distil", done, task)
        if run.recipe.inputs["teacher"] == teacher.id
    }
    scores = {
        run.id: score_runs.label(run)
        for run in store.runs("score", done, task)
        if run.recipe.inputs["teacher"] == teacher.id
    }
    card = references.cards().get(task)
    splits = ["selection", "train", *(card.validation if card else ())]
    split = st.selectbox(
        "Split", splits, key="ablation.split", help=AblateParams.model_fields["split"].description
    )
    student = st.selectbox(
        "Student", [*students, ""], key="ablation.student",
        format_func=lambda name: students.get(name, "none: the task alone"),
        help="The distance of the teacher's answers to this student's is measured too.",
    )  # fmt: skip
    ranks = st.selectbox(
        "Neurons ranked by", ["", *scores], key="ablation.scores",
        format_func=lambda name: scores.get(name, "the size of their weights"),
        help="Groups follow this ranking, so that a group holds neurons of like worth.",
    )  # fmt: skip
    return split, student, ranks
