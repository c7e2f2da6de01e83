"""The form of a trade-off study: teacher, grid, controls, student and budget, cost, launch."""

from collections.abc import Iterable
from dataclasses import replace

import streamlit as st

from pages.parts.compare import comparison_form
from pages.parts.forms import fields, model_picker, student_form, task_picker, teacher_picker
from pages.parts.shell import frame, url_state
from sparsekd.catalog.methods import METHODS
from sparsekd.catalog.parameters import TrainParams
from sparsekd.catalog.stage_parameters import MaskParams, ScoreParams, StudentParams
from sparsekd.errors import BadInput
from sparsekd.runs import jobs, references, store
from sparsekd.runs.records import Plan, Recipe, State
from sparsekd.scheduler.executors.local import slots_of
from sparsekd.studies import cost, recipes, stats, sweep
from sparsekd.studies.sweep import Sweep
from sparsekd.system.wording import counted
from sparsekd.tasks.demo import DEMO_CHECKPOINTS

READY, NEW = "A fine-tuned one", "From a checkpoint, as a part of the study"
TRAINING = ("epochs", "learning_rate", "batch_size", "max_length", "train_examples")
MOST_SEEDS = 100
CONTROLS = {
    "plain": "No teacher",
    "dense_tries": "Dense teacher, as many tries",
    "random": "Random mask",
    "magnitude": "Mask by weight size",
    "ends": "λ = 0 and λ = 1",
}
# Which of a plan's roles show that a control was asked for.


def show(start: Plan | None) -> None:
    """The whole form, filled from a study where one is given, and the button that starts it."""
    like = sweep.declared(start) if start else None
    st.markdown("##### 1. Task and teacher")
    teacher = teaching(like)
    if teacher is None:
        return
    key = f"sweep.{start.id if start else ''}.{teacher.run_id}"
    asked = like or fresh(teacher)
    st.markdown("##### 2. The grid, and what it is held against")
    asked = gridded(replace(asked, task=teacher.task, teacher=teacher), key)
    st.markdown("##### 3. Student and budget, the same for all")
    asked = budgeted(asked, key)
    launch(asked)


def fresh(teacher: Recipe) -> Sweep:
    """The usual study of a teacher."""
    _, train, student = recipes.defaults(references.origin(teacher.inputs["checkpoint"]))
    return Sweep(teacher.task, teacher, train=train, student=student)


# --- teacher ---------------------------------------------------------------------------------


def teaching(like: Sweep | None) -> Recipe | None:
    """A finished teacher's recipe, or that of one to be made; None while it is not named."""
    if like is not None:
        st.markdown(f"Teacher **{like.teacher.run_id}** on **{frame.plain(like.task)}**")
        return like.teacher
    ready = bool(store.runs("finetune", [State.DONE]))
    source = READY if ready else NEW
    if ready:
        source = st.segmented_control(
            "Teacher", [READY, NEW], default=READY, required=True, key="sweep.source",
            label_visibility="collapsed",
        )  # fmt: skip
    if source == READY:
        return teacher_picker.choose(None, dense_only=True).recipe
    card = task_picker.choose()
    checkpoint = model_picker.choose(card) if card else None
    if card is None or checkpoint is None:
        return None
    own, _, _ = recipes.defaults(checkpoint)
    if checkpoint not in DEMO_CHECKPOINTS:
        with st.expander("How the teacher is fine-tuned", icon=":material/school:"):
            values = fields.ask(TrainParams, f"sweep.teacher.{checkpoint}", own.values(), TRAINING)
        own = fields.checked(TrainParams, values)
    return recipes.finetune(card.name, checkpoint, own)


# --- grid and controls -----------------------------------------------------------------------


def gridded(asked: Sweep, key: str) -> Sweep:
    """λ, sparsities, seeds, methods and controls."""
    left, right = st.columns(2)
    with left:
        lams = numbers(
            "λ", asked.lams, sweep.LAMS, f"{key}.lams",
            "1 keeps what the task needs (expressive), 0 what the student can learn (friendly). "
            "Type another value to add it.",
        )  # fmt: skip
    with right:
        sparse = numbers(
            "Sparsities", asked.sparse, sweep.SPARSITIES[1:], f"{key}.sparsities",
            "Shares of the teacher's heads and neurons that are removed. 0, the dense teacher, "
            "always is. Type another value to add it.",
        )  # fmt: skip
    left, right = st.columns([1, 3])
    with left:
        count = st.number_input(
            "Seeds", 1, MOST_SEEDS, len(asked.seeds), key=f"{key}.seeds",
            help="Every student is made once per seed; a verdict takes at least five. More can "
            "be added later.",
        )  # fmt: skip
    with right:
        methods = _methods(asked, key)
    controls = st.pills(
        "Controls", list(CONTROLS), selection_mode="multi", default=asked.controls,
        format_func=lambda name: CONTROLS[name], key=f"{key}.controls",
        help="Students that say what the choice of λ and sparsity is worth. As many tries: the "
        "dense teacher's student is made as often as there are cells, and the best is chosen "
        "on the selection split, as it is among the cells.",
    )  # fmt: skip
    return replace(
        asked,
        lams=lams,
        sparsities=(0.0, *(sparsity for sparsity in sparse if sparsity != 0)),
        seeds=seeded(asked.seeds, int(count)),
        methods=methods,
        controls=tuple(name for name in sweep.CONTROLS if name in controls),
        changes=comparison_form.parameters(methods, f"{key}.of", asked.changes),
    )


def numbers(
    title: str, start: Iterable[float], usual: Iterable[float], key: str, words: str
) -> tuple[float, ...]:
    """Values as chips, with room for others.

    Raises:
        BadInput: a typed value is no number.
    """
    begin = [f"{value:g}" for value in start]
    options = sorted({*begin, *(f"{value:g}" for value in usual)}, key=float)
    chosen = st.multiselect(
        title, options, begin, key=key, help=words, accept_new_options=True, wrap=True,
        placeholder="Choose or type values",
    )  # fmt: skip
    return tuple(dict.fromkeys(sorted(_number(title, text) for text in chosen)))


def _number(title: str, text: str) -> float:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError as error:
        raise BadInput(f"{title}: {text!r} is no number.", "Write 0.35, for example.") from error


def seeded(known: tuple[int, ...], count: int) -> tuple[int, ...]:
    """So many seeds: those known first, then the smallest unused ones."""
    unused = (seed for seed in range(count + len(known)) if seed not in known)
    return (*known, *unused)[:count]


def _methods(asked: Sweep, key: str) -> tuple[str, ...]:
    fitting = [n for n, c in METHODS.items() if c.least_teachers == 1 == c.most_teachers]
    chosen: list[str] = st.multiselect(
        "Methods", fitting, list(asked.methods), key=f"{key}.methods",
        format_func=lambda name: METHODS[name].title,
        help="Each method gets the whole grid and its own controls.",
    )  # fmt: skip
    return tuple(chosen)


# --- student, budget, cost -------------------------------------------------------------------


def budgeted(asked: Sweep, key: str) -> Sweep:
    """The same student and training everywhere; how units are scored and removed."""
    shape = student_form.ask(key, asked.student.values())
    values = fields.ask(TrainParams, key, asked.train.values(), TRAINING, columns=5)
    with st.expander("How heads and neurons are scored and removed", icon=":material/grid_on:"):
        score = fields.ask(ScoreParams, f"{key}.score", asked.score.values(), without=("split",))
        without = tuple(name for name in MaskParams.model_fields if name not in sweep.OF_MASK)
        mask = fields.ask(MaskParams, f"{key}.mask", asked.mask.values(), without=without)
    return replace(
        asked,
        student=fields.checked(StudentParams, shape),
        train=fields.checked(TrainParams, values),
        score=fields.checked(ScoreParams, score),
        mask=fields.checked(MaskParams, mask),
    )


def launch(asked: Sweep) -> None:
    """What it costs, and the button that queues whatever is missing of it."""
    plan = sweep.plan(asked)
    budget = cost.estimate(plan)
    words = f"**{counted(len(plan.steps), 'run')}**: {sweep.cells_in_words(asked)}."
    if asked.sparse:
        words += f" Each method chooses from {counted(asked.tries, 'cell')}."
    st.markdown(words)
    st.caption(frame.plain(cost.in_words(budget, slots())))
    if len(asked.seeds) < stats.LEAST_SEEDS:
        st.caption(f"Fewer than {stats.LEAST_SEEDS} seeds: no verdict will be given.")
    known = any(other.id == plan.id for other in store.plans())
    if st.button(
        "Start the trade-off study" if budget.runs == len(plan.steps) else "Do what is missing",
        type="primary",
        icon=":material/play_arrow:",
        key="sweep.go",
        disabled=known and not budget.runs,
        help="All of it is there already." if known and not budget.runs else None,
    ):
        jobs.submit_plan(plan, frame.chosen_device())
        url_state.jump(study="")


def slots() -> int:
    """How many runs work side by side on the device that is chosen."""
    found = [device.name for device in jobs.devices(look=False)]
    chosen = frame.chosen_device()
    automatic = [name for name in found if name != "cpu"] or found
    return sum(slots_of(name) for name in (automatic if chosen == "auto" else [chosen]))
