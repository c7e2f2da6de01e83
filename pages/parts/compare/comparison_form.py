"""The form of a comparison: teachers, student and budget, ways, their cost, the launch."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
import streamlit as st

from pages.parts.forms import fields, launch_cost, student_form, task_picker, teacher_picker
from pages.parts.shell import frame, url_state
from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, StudentParams
from sparsekd.errors import BadInput
from sparsekd.runs import jobs, references, store
from sparsekd.runs.records import Plan, Recipe, Run, State
from sparsekd.studies import comparison, roles, variants
from sparsekd.studies.comparison import Comparison
from sparsekd.system.wording import counted
from sparsekd.tasks.cards import TaskCard

TRAINING = ("epochs", "learning_rate", "batch_size", "max_length", "train_examples")
USUAL_CONTROLS = ("vanilla:sparse_teacher", "vanilla:random_mask")
MOST_SEEDS, SEEDS = 20, 5


def show() -> None:
    """The whole form, and the button that starts the comparison."""
    st.markdown("##### 1. Teachers")
    asked = teaching()
    key = f"contest.{asked.teachers[0].run_id}"
    st.markdown("##### 2. Student and budget, the same for all")
    asked = budgeted(asked, key)
    st.markdown("##### 3. What is compared")
    names = choose(asked, key)
    asked = replace(asked, methods=names, changes=parameters(names, key))
    asked = replace(asked, **making(asked, key))
    plan = comparison.plan(asked)
    task = references.cards().get(plan.task)
    if task is None:
        raise BadInput(f"The task {plan.task} is no longer registered.", "Name its folder again.")
    cost(plan, task, asked.train)
    launch(plan)


def teaching() -> Comparison:
    """A comparison with its teachers alone: a dense one, and further ones of the same task."""
    first = teacher_picker.choose(None, dense_only=True)
    task, title = first.recipe.task, frame.run_titles()
    found = store.runs("finetune", [State.DONE], task) + store.runs("prune", [State.DONE], task)
    others = {run.id: run for run in found if run.id != first.id}
    chosen: list[str] = st.multiselect(
        "Further teachers",
        list(others),
        [name for name in _of_study() if name in others],
        format_func=lambda name: f"{title(others[name].recipe)} · {_origin(others[name])} · {name}",
        key=f"contest.further.{first.id}",
        help="For methods that learn from several, and as controls that learn from one of them.",
    )
    recipes = (first.recipe, *(others[name].recipe for name in chosen))
    return Comparison(task, (), recipes)


def _of_study() -> list[str]:
    """The teachers of the chosen study or comparison."""
    plan = frame.current_study()
    steps = plan.steps if plan else ()
    return [step.recipe.run_id for step in steps if roles.teaches(step.role)]


def _origin(run: Run) -> str:
    return run.recipe.inputs.get("checkpoint", "").split("#")[0] or run.recipe.stage


def budgeted(asked: Comparison, key: str) -> Comparison:
    """The same student, training and seeds for every way."""
    origin = references.origin(asked.teachers[0].inputs["checkpoint"])
    training, shape = comparison.usual(origin)
    student = student_form.ask(key, shape.values())
    values = fields.ask(TrainParams, key, training.values(), TRAINING, columns=5)
    seeds = st.number_input(
        "Seeds", 1, MOST_SEEDS, SEEDS, key=f"{key}.seeds", width=160,
        help="Each way makes one student per seed; a verdict takes at least five.",
    )  # fmt: skip
    return replace(
        asked,
        train=fields.checked(TrainParams, values),
        student=fields.checked(StudentParams, student),
        seeds=tuple(range(int(seeds))),
    )


# --- which ways ------------------------------------------------------------------------------


def choose(asked: Comparison, key: str) -> tuple[str, ...]:
    """Methods, variants and controls by name."""
    fitting, left_out = comparison.chosen(replace(asked, methods=(comparison.ALL,)))
    everything = list(fitting.methods)
    usual = [n for n in everything if ":" not in n or n in USUAL_CONTROLS]
    place = f"{key}.methods.{len(asked.teachers)}"
    st.session_state.setdefault(place, usual)
    with st.container(horizontal=True):
        for label, names in (("The methods", usual), ("Everything that fits", everything)):
            words, icon = f"{label} ({len(names)})", ":material/playlist_add_check:"
            if st.button(words, icon=icon, key=f"{place}.{label}", type="tertiary"):
                st.session_state[place] = names
    options = dict.fromkeys([*everything, *left_out, *_of_sparse_teachers()])
    chosen: list[str] = st.multiselect(
        "Methods, variants and controls",
        list(options),
        format_func=roles.title,
        key=place,
        help="What fine-tuning without a teacher and vanilla distillation reach belongs beside "
        "every method.",
    )
    if left_out:
        tell_left_out(left_out)
    if not chosen:
        raise BadInput("Nothing is chosen to compare.", "Choose two ways or more.")
    return tuple(chosen)


def tell_left_out(left_out: dict[str, str]) -> None:
    """What does not fit these teachers and this student, and why."""
    with st.expander(f"{len(left_out)} do not fit", icon=":material/block:"):
        for reason in dict.fromkeys(left_out.values()):
            names = [roles.title(name) for name, why in left_out.items() if why == reason]
            st.markdown(f"- **{frame.plain('; '.join(names))}**: {frame.plain(reason)}")


def _of_sparse_teachers() -> list[str]:
    """Every method of one teacher, learning from the sparse one."""
    return [f"{n}:sparse_teacher" for n, c in METHODS.items() if c.least_teachers == 1]


def parameters(
    names: tuple[str, ...], key: str, start: Mapping[str, Mapping[str, Any]] | None = None
) -> dict[str, dict[str, Any]]:
    """What is changed for each method; its variants follow, in all but what makes them variants.

    `start` holds the changes that the form begins with.
    """
    cards = {way.card.name: way.card for way in map(variants.read, names)}
    cards = {name: card for name, card in cards.items() if card.params.model_fields}
    if not cards:
        return {}
    changes = {}
    with st.expander("Parameters of the methods", icon=":material/tune:"):
        tabs = st.tabs([card.title for card in cards.values()])
        for tab, (name, card) in zip(tabs, cards.items(), strict=True):
            with tab:
                values = fields.ask(card.params, f"{key}.{name}", dict((start or {}).get(name, {})))
            usual = {field: info.default for field, info in card.params.model_fields.items()}
            values = {field: value for field, value in values.items() if value != usual[field]}
            if values:
                changes[name] = values
    return changes


def making(asked: Comparison, key: str) -> dict[str, Any]:
    """How sparse teachers and assistants are made, where some way needs one."""
    sources = {variants.read(name).source for name in asked.methods}
    found: dict[str, Any] = {}
    if sources & {"sparse_teacher", "random_mask", "dense_and_sparse"}:
        state = url_state.read()
        start = {"lam": state.lam, "sparsity": state.sparsity}
        shown = ("lam", "sparsity", "neuron_sparsity")
        values = fields.ask(MaskParams, f"{key}.mask", start, shown, ("kind",))
        found["mask"] = fields.checked(MaskParams, values)
    if "assistant" in sources:
        found["assistant_layers"] = int(
            st.number_input(
                "Layers of the assistant (0 = half way)", 0, 96, 0, key=f"{key}.assistant",
                width=280,
            )
        )  # fmt: skip
    return found


# --- what it costs ---------------------------------------------------------------------------


def cost(plan: Plan, task: TaskCard, train: TrainParams) -> None:
    """Runs, steps and passes by way, and how long that takes, before anything is pressed."""
    known = store.several(step.recipe.run_id for step in plan.steps)
    new = [s.recipe for s in plan.steps if s.recipe.run_id not in known]
    found = task_picker.frames(task)
    one = launch_cost.cost(
        launch_cost.training_rows(task, None if found is None else len(found["train"])), train
    )
    st.markdown("**For each seed**")
    st.dataframe(
        costs(plan, one.steps if one else None), width="stretch", hide_index=True,
        key="contest.costs", height="content",
    )  # fmt: skip
    trainings = sum(
        1 + launch_cost.training_episodes(recipe) for recipe in new if recipe.stage == "distil"
    )
    words = f"{counted(len(new), 'new run')}, {counted(trainings, 'training')} in all"
    if known:
        words += f" ({len(known)} exist already)"
    launch_cost.show(one, "distil", plan.task, trainings, words)


def costs(plan: Plan, steps: int | None) -> pd.DataFrame:
    """One row per way and seed: its steps at most, and what is spent beside them."""
    recipes = {step.recipe.run_id: step.recipe for step in plan.steps}
    rows = []
    for step in plan.steps:
        if not roles.competes(step.role) or step.seed != plan.steps[-1].seed:
            continue
        extra = launch_cost.training_episodes(step.recipe) + sum(
            recipe.stage == "distil" for recipe in _before(step.recipe, recipes)
        )
        rows.append(
            {
                "method": roles.title(step.role),
                "steps": steps,
                "extra steps": None if steps is None else extra * steps,
                "extra trainings": extra,
                "reward passes": launch_cost.reward_passes(step.recipe),
            }
        )
    return pd.DataFrame(rows)


def _before(recipe: Recipe, recipes: dict[str, Recipe]) -> list[Recipe]:
    """The recipes that a student needs beside its own."""
    needed = [recipes[name] for name in recipe.needs if name in recipes]
    deeper = [other for one in needed for other in _before(one, recipes)]
    return list({one.run_id: one for one in [*needed, *deeper]}.values())


def launch(plan: Plan) -> None:
    """The button that queues it all and goes to where it can be watched."""
    if st.button("Compare", type="primary", icon=":material/balance:", key="contest.go"):
        jobs.submit_plan(plan, frame.chosen_device())
        url_state.write(study="")
        st.switch_page("pages/student/compare.py")
