"""The sidebar: the study's steps, what exists and what comes next; runs at work; the device."""

from dataclasses import dataclass

import streamlit as st

from pages.parts.shell import frame, live, url_state
from sparsekd.runs import jobs, store
from sparsekd.runs.records import UNFINISHED, Plan, Run, State
from sparsekd.studies import roles

NOT_YET = ":material/radio_button_unchecked:"
NEXT = ":material/arrow_circle_right:"
MANY = 30  # unfinished runs, of which the sidebar tells the counts only


@dataclass(frozen=True)
class Stop:
    """One step of a study: the roles whose runs make it, and the page where it is done."""

    title: str
    roles: tuple[str, ...]
    page: str
    help: str


STOPS = (
    Stop(
        "Fine-tune",
        ("teacher",),
        "pages/teacher/finetune.py",
        "The teacher: a checkpoint trained on the task's gold labels.",
    ),
    Stop(
        "Trial student",
        ("trial_student",),
        "pages/student/distil.py",
        "A student of the whole teacher: it shows what a student can learn.",
    ),
    Stop(
        "Scores",
        ("scores",),
        "pages/teacher/scores.py",
        "What each head and neuron is worth to the task and to the student.",
    ),
    Stop(
        "Sparsify",
        ("sparse_teacher",),
        "pages/teacher/mask.py",
        "The teacher without what teaches least.",
    ),
    Stop(
        "Rewind",
        ("student",),
        "pages/student/distil.py",
        "A new student of the sparse teacher, from the trial student's first weights.",
    ),
    Stop(
        "Compare",
        ("plain_student", "random_mask_teacher", "random_mask_student"),
        "pages/student/compare.py",
        "The controls: no teacher, and a teacher pruned by chance. Did it help?",
    ),
)


SWEEP_STOPS = (
    STOPS[0],
    Stop(
        "Trial students",
        ("trial_student",),
        "pages/student/distil.py",
        "A student of the whole teacher for each seed: the cell at sparsity 0.",
    ),
    STOPS[2],
    Stop(
        "Sparse teachers",
        ("sparse_teacher", "random_mask_teacher", "magnitude_teacher"),
        "pages/teacher/mask.py",
        "A teacher for each λ, sparsity and seed; others masked by chance and by weight size.",
    ),
    Stop(
        "Students",
        ("student",),
        "pages/student/tradeoffs.py",
        "One for each λ, sparsity and seed.",
    ),
    Stop(
        "Controls",
        (
            *("plain_student", "dense_try", "lam_control"),
            *("random_mask_student", "magnitude_student"),
        ),
        "pages/student/tradeoffs.py",
        "Students that say what the choice of λ and sparsity is worth.",
    ),
)


def stops(plan: Plan | None) -> tuple[Stop, ...]:
    """The steps of a StarK study, of a trade-off study, or of a comparison of methods."""
    if plan is None or plan.kind == "study":
        return STOPS
    if plan.kind == "sweep":
        there = {step.role for step in plan.steps}
        return tuple(stop for stop in SWEEP_STOPS if there.intersection(stop.roles))
    parts = dict.fromkeys(step.role for step in plan.steps)
    teachers = tuple(r for r in parts if roles.teaches(r))
    ways = tuple(role for role in parts if roles.competes(role))
    between = tuple(role for role in parts if role not in (*teachers, *ways))
    found = (
        Stop("Fine-tune", teachers, "pages/teacher/finetune.py", "The teachers, made once."),
        Stop(
            "On the way",
            between,
            "pages/runs/overview.py",
            "Trial students, scores, sparse teachers and assistants that some methods need.",
        ),
        Stop(
            f"Compare {len(ways)} ways",
            ways,
            "pages/student/compare.py",
            "One student by each way and seed, on the same data and budget.",
        ),
    )
    return tuple(stop for stop in found if stop.roles)


@dataclass(frozen=True)
class Stand:
    """How far one step of a study is."""

    done: int
    total: int
    state: State | None


def stands(plan: Plan | None) -> list[Stand]:
    """How far each step is; without a study, by what the store holds."""
    if plan is None:
        return [_stand(runs, max(1, len(runs))) for runs in _by_hand()]
    runs = frame.plan_runs(plan)
    parts = [[step for step in plan.steps if step.role in stop.roles] for stop in stops(plan)]
    return [
        _stand([runs[s.recipe.run_id] for s in steps if s.recipe.run_id in runs], len(steps))
        for steps in parts
    ]


def _stand(runs: list[Run], total: int) -> Stand:
    states = [run.state for run in runs]
    done = states.count(State.DONE)
    order = (State.RUNNING, State.FAILED, State.INTERRUPTED, State.CANCELLED, State.QUEUED)
    state = next((state for state in order if state in states), None)
    return Stand(done, total, State.DONE if done == total else state)


def _by_hand() -> list[list[Run]]:
    """The runs of each step where nobody has asked for a whole study."""
    runs = store.runs()
    pruned = {run.id for run in runs if run.recipe.stage == "prune"}
    taught = [r for r in runs if r.recipe.stage == "distil" and r.recipe.method != "fine_tuning"]
    return [
        [run for run in runs if run.recipe.stage == "finetune"],
        [run for run in taught if run.recipe.inputs["teacher"] not in pruned],
        [run for run in runs if run.recipe.stage == "score"],
        [run for run in runs if run.id in pruned],
        [run for run in taught if run.recipe.inputs["teacher"] in pruned],
        [],
    ]


def steps(plan: Plan | None, with_links: bool = True) -> None:
    """The steps, each with its state; the first that is not done comes next."""
    found = stands(plan)
    after = next((i for i, stand in enumerate(found) if stand.state is not State.DONE), None)
    for place, (stop, stand) in enumerate(zip(stops(plan), found, strict=True)):
        icon, words = _words(stand, comes_next=place == after)
        label = f"{stop.title} · {words}" if words else stop.title
        if with_links:
            study = url_state.link(study=plan.id) if plan else None
            st.page_link(stop.page, label=label, icon=icon, help=stop.help, query_params=study)
        else:
            st.markdown(f"{icon} {label}", help=stop.help)


def next_stop(plan: Plan | None) -> Stop | None:
    """The first step that is not done; None after the last."""
    pairs = zip(stops(plan), stands(plan), strict=True)
    return next((stop for stop, stand in pairs if stand.state is not State.DONE), None)


def _words(stand: Stand, comes_next: bool) -> tuple[str, str]:
    count = f"{stand.done} of {stand.total}" if stand.total > 1 else ""
    if stand.state is None or (stand.state is State.QUEUED and not comes_next):
        return (NEXT, "next") if comes_next else (NOT_YET, count if stand.done else "")
    icon = frame.STATE_ICONS[stand.state]
    if stand.state is State.DONE:
        return icon, ""
    return icon, f"{stand.state.value} {count}".strip()


def sidebar() -> None:
    """Study, runs at work and device, on every page."""
    _choose_study()
    plan = frame.current_study()
    runs = live.unfinished()
    many = len(runs) > MANY

    def draw() -> None:
        steps(plan)
        st.space("small")
        _at_work()

    live.poll(draw, runs, "sidebar", seconds=5.0 if many else 2.0, patient=many)
    st.divider()
    _choose_device()


def _choose_study() -> None:
    plans = {plan.id: plan for plan in store.plans()}
    if not plans:
        st.markdown("**The steps of a study**")
        return
    current = frame.current_study()
    key = url_state.bound("study")
    if st.session_state[key] not in plans:
        st.session_state[key] = current.id if current else ""
    titles = {name: f"{_named(plan)} · {name[:4]}" for name, plan in plans.items()}
    chosen = st.selectbox(
        "Study",
        list(plans),
        format_func=lambda name: titles[name],
        key=key,
        help="One teacher, its students and their controls. Pages show this study's runs.",
    )
    latest = next(iter(plans))
    url_state.write(study="" if chosen == latest else chosen)


def _named(plan: Plan) -> str:
    """A plan's title; a trade-off study says that it is one."""
    return f"Trade-offs: {plan.title}" if plan.kind == "sweep" else plan.title


def _at_work() -> None:
    states = [run.state for run in store.runs(states=UNFINISHED)]
    running, queued = states.count(State.RUNNING), states.count(State.QUEUED)
    words = f"{running} running, {queued} queued" if states else "Nothing is running"
    st.page_link("pages/runs/overview.py", label=words, icon=":material/list_alt:")
    trouble = jobs.trouble() if states else None
    if trouble:
        st.warning(frame.plain(f"Nothing can start. {trouble}"), icon=":material/block:")


def _choose_device() -> None:
    found = {device.name: device.words for device in jobs.devices(look=False)}
    words = {"auto": "The fastest that is free"} | found
    st.selectbox(
        "Device",
        list(words),
        format_func=lambda name: name if name == "auto" else f"{name}: {words[name]}",
        key="device",
        help="Where new runs compute: one at a time on a GPU, one per core of a processor.",
    )
    st.caption(frame.plain("; ".join(f"{name}: {what}" for name, what in found.items())))
    if st.button("Look for devices", icon=":material/refresh:", type="tertiary"):
        with st.spinner("Asking torch …"):
            jobs.look_for_devices()
        st.rerun()
