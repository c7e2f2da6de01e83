"""Trade-offs: where is the best bargain? λ × sparsity × seed × method, with controls."""

import streamlit as st

from pages.parts.shell import frame, url_state
from pages.parts.sweep import sweep_charts, sweep_form, sweep_frames, sweep_progress, sweep_view
from sparsekd.runs import store
from sparsekd.runs.records import Plan
from sparsekd.studies import command

MORE, OTHER = "More seeds or cells", "Another study"
FORM = "tradeoffs.form"


def main() -> None:
    """The chosen trade-off study, or the form of the first one."""
    plan = frame.current_study()
    if plan is not None and plan.kind == "sweep":
        with frame.error_boundary():
            page(plan)
        return
    latest = next((one for one in store.plans() if one.kind == "sweep"), None)
    if latest is None:
        st.info(
            "No trade-off study yet. Declare one below: every value of λ and sparsity makes "
            "one student per seed, beside students that say what the choice is worth.",
            icon=":material/info:",
        )
    else:
        st.info("The study chosen in the sidebar is no trade-off study.", icon=":material/info:")
        if st.button("Show the latest one", icon=":material/finance_mode:", key="latest"):
            url_state.jump(study=latest.id)
    form(None)


def form(start: Plan | None) -> None:
    """The form, which leaves the page as it is while it is filled in."""
    st.fragment(frame.guarded(lambda: sweep_form.draw_sweep_form(start)), key="tradeoffs.form")()


def page(plan: Plan) -> None:
    """The answer, how far it is, choices and verdicts, pictures, the command."""
    st.text(plan.title)
    found = sweep_frames.look(plan)
    asked = sweep_view.usual(found)
    if asked is not None:
        answer = st.container()
        asked = sweep_view.ask(asked)
        with answer:
            sweep_view.answer(asked)
    sweep_progress.draw_sweep_progress(plan, "tradeoffs", found.finished)
    another(plan)
    if asked is None:
        st.caption("No student is finished yet: the first results come with the first ones.")
        return
    sweep_view.evidence(asked)
    sweep_charts.show(asked)
    st.subheader("Take it along", anchor=False)
    sweep_charts.report(asked)
    st.code(command.command(plan), language="bash", wrap_lines=True)


def another(plan: Plan) -> None:
    """The form on demand: with this study's values, to add to it, or with the usual ones."""
    # A search has chosen its cells itself: they are no grid to add to.
    choices = [OTHER] if plan.command else [MORE, OTHER]
    wanted = st.segmented_control(
        "Ask for", choices, key=f"{FORM}.{plan.id}", label_visibility="collapsed",
        help="What is finished is used again: only what is missing is done.",
    )  # fmt: skip
    if wanted:
        with st.container(border=True):
            form(plan if wanted == MORE else None)


frame.draw_header("Trade-offs", "Where is the best bargain? Sparsity, λ, seeds, and what they buy.")
main()
