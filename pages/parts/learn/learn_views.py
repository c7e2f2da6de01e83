"""The views of a lesson's steps: the real ones of the other pages, on the study of the step."""

from collections.abc import Callable
from functools import partial
from typing import Any

import streamlit as st

from pages.parts.compare import answers_view, comparison_view, study_view
from pages.parts.explain import ablation_view
from pages.parts.scores_and_mask import (
    cached_scores,
    head_maps,
    mask_choices,
    quality_curves,
)
from pages.parts.shell import frame, url_state
from pages.parts.sweep import label_view, sweep_charts, sweep_frames, sweep_view
from pages.parts.tryit import predictions_view
from sparsekd.lessons import studied, views
from sparsekd.runs import references, store
from sparsekd.runs.records import Plan
from sparsekd.studies import titles
from sparsekd.studies.sweeps.label_results import LabelStudy
from sparsekd.studies.sweeps.sweep_metric import SweepMetric, default_sweep_metric
from sparsekd.units import score_tables, score_words

Draw = Callable[[Any], None]


def draw(view: views.AnyView) -> None:
    """Draw a view, with the part that the lesson points at outlined."""
    if view.look:
        name = view.parts[view.look].replace(".", "-")
        st.html(
            f"<style>.st-key-{name} {{ outline: 3px solid currentColor; "
            "outline-offset: 6px; border-radius: 6px; }</style>"
        )
    DRAW[type(view)](view)


def _draw_answers(view: views.Answers) -> None:
    text = st.text_input("Sentence", key=url_state.bound("text"), max_chars=400).strip()
    url_state.write(text=text)
    if not text:
        st.caption("Type a sentence.")
        return
    plan = studied.study(view)
    title = titles.run_titles(plan)
    runs = {title[run.id].removesuffix(", seed 0"): run for run in studied.models(view).values()}
    found = predictions_view.ask_models(runs, (text,))
    if found:
        body = partial(predictions_view.draw_predictions, references.card(plan.task), found)
        st.fragment(frame.guarded(body), key="learn.predictions")()


def _draw_labels(view: views.Labels) -> None:
    plan = studied.study(view)
    found = _family((str(store.home()), plan.id, *store.finished_stamp()), plan)
    _, of = _sweep(plan)
    with st.container(key="learn.labels.chart"):
        label_view.draw_labels(plan, of, found, view.only)
    if not view.only:
        with st.container(key="learn.labels.verdicts"):
            label_view.draw_verdicts(plan.task, found)


@st.cache_resource(max_entries=16, show_spinner="Testing the differences …")
def _family(version: tuple[object, ...], _plan: Plan) -> LabelStudy:
    return studied.family(_plan)


def _draw_scores(view: views.Scores) -> None:
    scores = cached_scores.load(studied.scores(studied.study(view)))
    lam = st.slider("λ", 0.0, 1.0, step=0.01, key=url_state.bound("lam"))
    url_state.write(lam=lam)
    heads, _ = score_tables.matrices(scores, lam, "layer")
    st.markdown(score_words.summary(scores, lam, "layer"))
    head_maps.draw_head_maps(heads, f"normalised, λ = {lam:g}")


def _draw_pad(view: views.Pad) -> None:
    run = studied.scores(studied.study(view))

    def body() -> None:
        with st.container(key="learn.pad"):
            made = mask_choices.choose_mask(run, cached_scores.load(run))
        if made is not None:
            with st.container(key="learn.quality"):
                quality_curves.draw_quality(run, made.params)

    st.fragment(frame.guarded(body), key="learn.mask")()


def _draw_ablation(view: views.Ablation) -> None:
    ablation_view.draw_ablation(studied.ablation(studied.scores(studied.study(view))))


def _draw_verdict(view: views.Verdict) -> None:
    found = studied.metric(studied.study(view), view.seeds)
    with st.container(key="learn.verdict"):
        study_view.draw_study_verdict(found)
    with st.container(key="learn.seeds"):
        study_view.draw_seeds(found, "learn.dots")


def _draw_trade_offs(view: views.TradeOffs) -> None:
    snapshot, of = _sweep(studied.study(view))
    kind = sweep_charts.KINDS[view.picture]
    st.caption(kind.help)
    chart = kind.make(snapshot, of)
    with st.container(key="learn.chart"):
        sweep_charts.draw_chart(chart, f"learn.{view.picture}", False)
    sweep_view.draw_twin(chart.table, f"{view.picture}-{of.plan.id}", "learn.twin")


def _draw_choices(view: views.Choices) -> None:
    snapshot, of = _sweep(studied.study(view))
    sweep_view.draw_evidence(snapshot, of)


def _sweep(plan: Plan) -> tuple[sweep_frames.SweepSnapshot, SweepMetric]:
    snapshot = sweep_frames.take_snapshot(plan)
    of = default_sweep_metric(plan, snapshot.frame("students"))
    if of is None:
        raise studied.unfinished(plan)
    return snapshot, of


def _draw_classes(view: views.Classes) -> None:
    plan = studied.study(view)
    card = references.card(plan.task)
    answers = answers_view.kept_answers(plan, card, card.validation[0])
    with st.container(key="learn.classes"):
        answers_view.draw_classes(answers, "learn.classes")


def _draw_methods(view: views.Methods) -> None:
    plan = studied.study(view)
    comparison_view.draw_comparison(plan, studied.metric(plan), "learn.methods")


DRAW: dict[type[views.View], Draw] = {
    views.Answers: _draw_answers,
    views.Labels: _draw_labels,
    views.Scores: _draw_scores,
    views.Pad: _draw_pad,
    views.Ablation: _draw_ablation,
    views.Verdict: _draw_verdict,
    views.TradeOffs: _draw_trade_offs,
    views.Choices: _draw_choices,
    views.Classes: _draw_classes,
    views.Methods: _draw_methods,
}
PAGES: dict[type[views.View], str] = {
    views.Answers: "pages/student/tryit.py",
    views.Labels: "pages/student/tradeoffs.py",
    views.Scores: "pages/teacher/scores.py",
    views.Pad: "pages/teacher/mask.py",
    views.Ablation: "pages/teacher/explain.py",
    views.Verdict: "pages/student/compare.py",
    views.TradeOffs: "pages/student/tradeoffs.py",
    views.Choices: "pages/student/tradeoffs.py",
    views.Classes: "pages/student/compare.py",
    views.Methods: "pages/student/compare.py",
}
