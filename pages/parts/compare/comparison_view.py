"""The result of a comparison: the verdict in words, every seed as a dot, one table with costs."""

import pandas as pd
import streamlit as st
from streamlit.elements.lib.column_types import ColumnConfig

from pages.parts.compare import study_view, verdict_box
from pages.parts.shell import frame, url_state
from sparsekd.runs.records import Plan
from sparsekd.studies import results, roles, tuning
from sparsekd.studies.comparisons import comparison_results, comparison_tables
from sparsekd.studies.study_metric import StudyMetric, seed_table
from sparsekd.studies.study_wording import (
    comparison_statements,
    scope_in_words,
    teacher_values,
)
from sparsekd.studies.teacher_parts import teacher_seed
from sparsekd.studies.tuning import Tuning
from sparsekd.tasks import metrics


def draw_comparison(plan: Plan, found: StudyMetric, key: str, brief: bool = False) -> None:
    """Draw verdict, missing students, chart and, where not brief, tables."""
    variants = comparison_results.variants(plan)
    against = choose_baseline(variants, key)
    gaps = comparison_results.differences(found.frame, found.split, found.metric, against, variants)
    draw_comparison_verdict(found, gaps, against)
    verdict_box.draw_exploratory(plan.task, found.metric)
    tuned = tuning.tunings(plan)
    for sentence in dict.fromkeys(words for each in tuned for words in tuning.notes(each)):
        st.markdown(f"- {frame.plain(sentence)}")
    planned = comparison_results.baseline(variants)
    if against != planned:
        st.caption(frame.plain(f"Exploratory: the planned baseline is {roles.title(planned)}."))
    study_view.draw_warnings(found)
    draw_missing(plan)
    if not found.values["role"].isin(variants).any():
        return
    means = found.ranking(variants if brief else choose_shown(plan, found))
    with st.container(key=f"{key}.seeds.box"):
        draw_seeds(found, means, against, f"{key}.dots")
    st.caption(frame.plain(teacher_values(found)))
    if brief:
        return
    with st.container(key=f"{key}.table.box"):
        draw_variants(plan, found, means, gaps, f"{key}.table")
    for each in tuned:
        seed = teacher_seed(each.plan)
        draw_tuning(each, seed if len(tuned) > 1 else None, f"{key}.tuning.{seed}")
    seeds = seed_table(found, list(means["role"]))
    frame.draw_table(seeds, "seeds", f"{key}.seeds", "Every seed as a number")


def choose_baseline(variants: list[str], key: str) -> str:
    """Draw the choice of the variant to compare with."""
    usual = comparison_results.baseline(variants)
    wanted = url_state.read().against
    against = st.selectbox(
        "Baseline",
        variants,
        variants.index(wanted if wanted in variants else usual),
        format_func=roles.title,
        key=f"{key}.against",
        width=340,
        help="Differences are paired: students of the same seed are compared.",
    )
    url_state.write(against="" if against == usual else against)
    return str(against)


def choose_shown(plan: Plan, found: StudyMetric) -> list[str]:
    """Draw which models chart and table show; the verdicts are those of all."""
    known = list(found.values["role"].unique())
    variants = [name for name in comparison_results.variants(plan) if name in known]
    wanted = [name for name in url_state.read().methods.split(",") if name in known]
    with st.expander("Shown variants", icon=":material/checklist:"):
        shown = st.pills(
            "Shown",
            [*variants, *(role for role in known if role not in variants)],
            selection_mode="multi",
            default=wanted or variants,
            format_func=roles.title,
            key=f"comparison.shown.{plan.id}.{found.split}",
            label_visibility="collapsed",
        )
        st.caption("Hiding a variant changes no verdict: the correction counts all of them.")
    url_state.write(methods="" if set(shown) == set(variants) else ",".join(shown))
    return [str(role) for role in shown] or variants


def draw_comparison_verdict(found: StudyMetric, gaps: pd.DataFrame, against: str) -> None:
    """Draw which variants are better than the baseline, which worse, which inconclusive."""
    for statement in comparison_statements(found, gaps, against):
        verdict_box.draw_verdict(statement.verdict, frame.plain(statement.text))
    if gaps["p_corrected"].notna().any():
        st.caption(frame.plain(scope_in_words(gaps)))


def draw_missing(plan: Plan) -> None:
    """Draw the students that no active run will make, and why."""
    for reason, titles in comparison_tables.missing_students(plan).items():
        words = f"Missing: {', '.join(titles)}. {reason}"
        st.warning(frame.plain(words), icon=":material/block:")


def draw_seeds(found: StudyMetric, means: pd.DataFrame, against: str, key: str) -> None:
    """Draw every seed as a dot, the mean as a bar, its 95% interval as a line, the best on top."""
    from pages.parts.shell import charts

    points = found.points()
    points = points[points["role"].isin(means["role"])]
    own = means.loc[means["role"] == against, "mean"]
    spoken = "; ".join(f"{row.what} {row.mean:.3f}" for row in means.itertuples())
    st.altair_chart(
        charts.dots(points, means, found.title, own.iloc[0] if len(own) else None, found.majority),
        width="stretch",
        key=key,
        alt=f"{found.title} of each variant, one dot per seed. Means: {spoken}"
        f"{study_view.level(found)}.",
    )


def draw_variants(
    plan: Plan, found: StudyMetric, means: pd.DataFrame, gaps: pd.DataFrame, key: str
) -> None:
    """Draw one row per variant: metric, difference with verdict, and costs."""
    table = comparison_tables.variant_table(plan, means, gaps, found.teacher_means())
    st.dataframe(
        comparison_tables.readable(table, found.majority),
        width="stretch",
        hide_index=True,
        key=key,
        placeholder="–",
        height="content",
        column_config=_columns(found) | _of_teachers(table),
    )
    frame.draw_download(table, "comparison", f"{key}.csv")


def draw_tuning(tuned: Tuning, seed: int | None, key: str) -> None:
    """Draw every setting that was tried, with the mean that chose; `seed` of several teachers."""
    table, title = tuned.table(), metrics.title(tuned.criterion)
    of_teacher = "" if seed is None else f", with the teacher of seed {seed}"
    st.markdown(
        f"**Settings that were tried{of_teacher}**",
        help="Each variant is trained with every value of the tuned parameters that it has, on the "
        "same seeds. The best mean on the selection split is chosen, of equal ones the first; the "
        "data that is reported chooses nothing.",
    )
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    st.dataframe(
        table[["what", "setting", "selected", "seeds", "planned", "chosen"]],
        width="stretch",
        hide_index=True,
        key=key,
        placeholder="–",
        height="content" if len(table) < 16 else 400,
        column_config={
            "what": text("Method", width=265),
            "setting": text("Setting"),
            "selected": number(
                f"{title} on selection", format="%.3f", help="Mean over the finished seeds."
            ),
            "seeds": number("Seeds", format="%d", width=60),
            "planned": number("Planned", format="%d", width=70),
            "chosen": st.column_config.CheckboxColumn("Chosen", width=70),
        },
    )
    frame.draw_download(table.drop(columns="values"), "tuning", f"{key}.csv")


def _of_teachers(table: pd.DataFrame) -> dict[str, ColumnConfig]:
    return {
        name: st.column_config.NumberColumn(
            name.capitalize(), format="%.3f", help="Mean with the teacher of this fine-tuning."
        )
        for name in results.teacher_columns(table)
    }


def _columns(found: StudyMetric) -> dict[str, ColumnConfig]:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "what": text("Method", width=265),
        "mean": number(found.title, format="%.3f", width=75, help="Mean over seeds."),
        "interval": text("95% interval", help="Of this mean alone."),
        "difference": number(
            "Difference", format="%+.3f", width=80, help="To the baseline, mean over seeds."
        ),
        "gap": text("Of the difference", help="Its interval, at the confidence beside it."),
        "confidence": number(
            "Confidence",
            format="percent",
            help="The level at which Holm's procedure tests this comparison.",
        ),
        "p_corrected": number(
            "p, corrected", format="%.2g", help="Corrected by Holm; it decides the verdict."
        ),
        "wins": text("Seeds won", width=85),
        "verdict": text("Verdict", width=205),
        "steps": number("Steps", format="%d", width=60, help="Optimiser steps of the student."),
        "extra_steps": number(
            "Extra steps",
            format="%d",
            width=85,
            help="Optimiser steps of training episodes, trial students, assistants and settings "
            "that were not chosen.",
        ),
        "tries": number(
            "Tries", format="%d", width=50, help="Settings that were tried; see below."
        ),
        "seconds": number("Seconds", format="%.1f", width=70, help="The student's wall time."),
        "extra_seconds": number(
            "Extra seconds",
            format="%.1f",
            width=105,
            help="Wall time of its trial student, scores, pruning, assistant and settings that "
            "were not chosen.",
        ),
        "held_out_passes": number(
            "Held-out passes",
            format="%d",
            width=120,
            help="Passes over the selection split that the method needed.",
        ),
        "decisions": number(
            "Decisions",
            format="%d",
            width=80,
            help="Rewarded decisions that the method's selector was trained on: few decide little. "
            "A verdict on a method of 28 decisions says little about one of 80.",
        ),
        "random_decisions": number(
            "Random", format="%d", width=70, help="Decisions that were random exploration."
        ),
        "seeds": number("Seeds", format="%d", width=60),
    }
