"""The form of a comparison: teachers, student and budget, variants, their cost, the launch."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import streamlit as st

from pages.parts.forms import fields, launch_cost, student_form, teacher_picker
from pages.parts.forms.power_note import draw_power
from pages.parts.shell import frame, url_state
from sparsekd.catalog.fields import label, label_in_sentence, validated
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, StudentParams
from sparsekd.errors import BadInput
from sparsekd.runs import references
from sparsekd.runs.records import Plan
from sparsekd.studies import roles, stats, teachers
from sparsekd.studies.comparisons import (
    comparison,
    comparison_results,
    comparison_spec,
    settings,
    variants,
)
from sparsekd.studies.comparisons.comparison_spec import ComparisonSpec
from sparsekd.studies.launch import plan_launch, variant_costs
from sparsekd.studies.teacher_parts import parts

MOST_SEEDS = 20
TUNED_FIRST = {"temperature": "1, 2, 4", "alpha": "0.2, 0.5, 0.9"}


def draw_comparison_form() -> None:
    """Draw the whole form, and the button that starts the comparison."""
    st.markdown("##### 1. Teachers")
    spec = choose_teachers()
    key = f"comparison.{spec.first.run_id}"
    st.markdown("##### 2. Student and budget, the same for all variants")
    spec = draw_budget(spec, key)
    st.markdown("##### 3. Methods, variants and controls")
    names = choose_variants(spec, key)
    spec = replace(spec, methods=names, changes=draw_method_fields(names, key))
    spec = replace(spec, **draw_source_fields(spec, key))
    spec = replace(spec, tune=draw_tuning(spec, key))
    plan = comparison.plan(spec)
    draw_cost(plan, settings.longest_training(spec), spec.fine_tunings)
    comparisons = len(comparison_results.variants(plan)) - 1
    teacher, labelled = spec.teachers[0], spec.train.labelled
    teachers = spec.fine_tunings
    draw_power(spec.task, teacher, labelled, len(spec.seeds), comparisons, "comparison", teachers)
    draw_launch(plan)


def choose_teachers() -> ComparisonSpec:
    """Draw the choice of a dense teacher and of further ones; return a comparison with these."""
    first = teacher_picker.choose_teacher(None, dense_only=True)
    others = {run.id: run for run in teachers.other_teachers(first)}
    plan, title = frame.current_study(), frame.run_titles()
    steps = parts(plan)[0].steps if plan else ()
    in_study = [step.recipe.run_id for step in steps if roles.is_teacher(step.role)]
    chosen: list[str] = st.multiselect(
        "Further teachers",
        list(others),
        [name for name in in_study if name in others],
        format_func=lambda name: teachers.teacher_label(others[name], title(others[name].recipe)),
        key=f"comparison.further.{first.id}",
        help="For methods of several teachers, and as controls that learn from one of them.",
    )
    recipes = (first.recipe, *(others[name].recipe for name in chosen))
    return ComparisonSpec(first.recipe.task, (), recipes)


def draw_budget(spec: ComparisonSpec, key: str) -> ComparisonSpec:
    """Draw student, training and seeds, which all variants share."""
    origin = references.origin(spec.first.inputs["checkpoint"])
    training, shape = comparison_spec.defaults(origin)
    student = student_form.draw_student_form(key, shape.values())
    values = fields.draw_training(key, training.values())
    with st.container(horizontal=True):
        seeds = st.number_input(
            "Seeds",
            1,
            MOST_SEEDS,
            stats.LEAST_SEEDS,
            key=f"{key}.seeds",
            width=160,
            help=f"One student per variant and seed; a verdict needs at least {stats.LEAST_SEEDS}.",
        )
        fine_tunings = st.number_input(
            "Fine-tunings of the teacher",
            1,
            MOST_SEEDS,
            key=f"{key}.teachers",
            width=220,
            help="How many teachers: this one, and others from the same checkpoint with the next "
            "seeds. Every variant and seed is trained with each, and the verdict is about new "
            "teachers too.",
        )
    return replace(
        spec,
        train=validated(TrainParams, values),
        student=validated(StudentParams, student),
        seeds=tuple(range(int(seeds))),
        fine_tunings=int(fine_tunings),
    )


# --- variants --------------------------------------------------------------------------------


def choose_variants(spec: ComparisonSpec, key: str) -> tuple[str, ...]:
    """Draw the choice of methods, variants and controls, and return their names."""
    fitting, left_out = comparison_spec.expand_all(replace(spec, methods=(comparison_spec.ALL,)))
    everything = list(fitting.methods)
    usual = variants.default_names(everything)
    place = f"{key}.methods.{len(spec.teachers)}"
    st.session_state.setdefault(place, usual)
    with st.container(horizontal=True):
        for label, names in (("The methods", usual), ("Everything that fits", everything)):
            words, icon = f"{label} ({len(names)})", ":material/playlist_add_check:"
            if st.button(words, icon=icon, key=f"{place}.{label}", type="tertiary"):
                st.session_state[place] = names
    chosen: list[str] = st.multiselect(
        "Methods, variants and controls",
        list(dict.fromkeys([*everything, *left_out, *variants.of_sparse_teacher()])),
        format_func=roles.title,
        key=place,
        help="Keep fine-tuning with no soft labels and vanilla distillation as baselines.",
    )
    if left_out:
        _draw_left_out(left_out)
    if not chosen:
        raise BadInput("Nothing is chosen to compare.", "Choose two variants or more.")
    return tuple(chosen)


def _draw_left_out(left_out: Mapping[str, str]) -> None:
    """Draw which variants do not fit these teachers and this student, and why."""
    with st.expander(f"{len(left_out)} do not fit", icon=":material/block:"):
        for reason in dict.fromkeys(left_out.values()):
            names = [roles.title(name) for name, why in left_out.items() if why == reason]
            st.markdown(f"- **{frame.plain('; '.join(names))}**: {frame.plain(reason)}")


def draw_method_fields(
    names: tuple[str, ...], key: str, start: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, dict[str, Any]]:
    """Draw the parameters of each method, and return those that are changed, by method.

    A method's variants take its changes, except for the parameters that define the variant.
    `start` has the changes that the form starts with.
    """
    cards = {card.name: card for card in (variants.parse(name).card for name in names)}
    cards = {name: card for name, card in cards.items() if card.params.model_fields}
    if not cards:
        return {}
    changes = {}
    with st.expander("Parameters of the methods", icon=":material/tune:"):
        tabs = st.tabs([card.title for card in cards.values()])
        for tab, (name, card) in zip(tabs, cards.items(), strict=True):
            with tab:
                own = dict((start or {}).get(name, {}))
                values = fields.draw_fields(card.params, f"{key}.{name}", own)
            usual = {field: info.default for field, info in card.params.model_fields.items()}
            values = {field: value for field, value in values.items() if value != usual[field]}
            if values:
                changes[name] = values
    return changes


def draw_source_fields(spec: ComparisonSpec, key: str) -> dict[str, Any]:
    """Draw how sparse teachers and assistants are made, where a variant needs one."""
    sources = {variants.parse(name).source for name in spec.methods}
    found: dict[str, Any] = {}
    if sources & {"sparse_teacher", "random_mask", "dense_and_sparse"}:
        state = url_state.read()
        start = {"lam": state.lam, "sparsity": state.sparsity}
        shown = ("lam", "sparsity", "neuron_sparsity")
        values = fields.draw_fields(MaskParams, f"{key}.mask", start, shown, ("kind",))
        found["mask"] = validated(MaskParams, values)
    if "assistant" in sources:
        label = "Layers of the assistant (0 = half way)"
        layers = st.number_input(label, 0, 96, 0, key=f"{key}.assistant", width=280)
        found["assistant_layers"] = int(layers)
    return found


def draw_tuning(spec: ComparisonSpec, key: str) -> dict[str, tuple[str, ...]]:
    """Draw the choice of parameters to tune, and the values to try of each."""
    names: list[str] = st.multiselect(
        "Tuned parameters",
        settings.tunable(spec.methods),
        format_func=label,
        key=f"{key}.tune.{','.join(spec.methods)}",
        placeholder="None: every variant is trained once with the values above",
        help="Every variant that has the parameter is trained with each value, on the same seeds; "
        "its best on the selection split is reported.",
    )
    found = {}
    places = st.columns(max(3, len(names)))
    for place, name in zip(places, names, strict=False):
        usual = TUNED_FIRST.get(name, "")
        if name == "learning_rate":
            usual = ", ".join(f"{times * spec.train.learning_rate:g}" for times in (1, 3, 10))
        text = place.text_input(
            f"Values of {label_in_sentence(name)}", usual, key=f"{key}.tune.{name}"
        )
        found[name] = tuple(word.strip() for word in text.split(",") if word.strip())
    return found


# --- cost and launch -------------------------------------------------------------------------


def draw_cost(plan: Plan, train: TrainParams, teachers: int) -> None:
    """Draw steps and passes of each variant, and how long the comparison takes."""
    task = references.card(plan.task)
    one = launch_cost.one_training(task, train)
    st.markdown("**For each seed and teacher**" if teachers > 1 else "**For each seed**")
    st.dataframe(
        variant_costs(plan, one.steps if one else None),
        width="stretch",
        hide_index=True,
        key="comparison.costs",
        height="content",
    )
    launch = plan_launch(plan)
    runs = [step.recipe for step in plan.steps]
    launch_cost.draw_estimate(task, train, launch.trainings, launch.what, runs)


def draw_launch(plan: Plan) -> None:
    """Draw the button that queues all runs and opens the page on which they are compared."""
    if st.button("Compare", type="primary", icon=":material/balance:", key="comparison.go"):
        frame.submit_plan(plan)
        url_state.write(study="")
        st.switch_page("pages/student/compare.py")
