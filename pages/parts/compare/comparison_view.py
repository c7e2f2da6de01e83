"""The result of a comparison: the verdict in words, every seed as a dot, one table with costs."""

import numpy as np
import pandas as pd
import streamlit as st

from pages.parts.compare import study_view
from pages.parts.shell import frame, url_state
from sparsekd.runs import activity, store
from sparsekd.runs.records import Plan
from sparsekd.studies import comparison_results, roles, stats

LEAST = stats.LEAST_SEEDS
ICONS = {"better": ":material/thumb_up:", "worse": ":material/thumb_down:"}
COSTS = ["steps", "extra_steps", "tries", "seconds", "extra_seconds", "held_out_passes"]


def show(plan: Plan, asked: study_view.Question, key: str, brief: bool = False) -> None:
    """Verdict, chart and table; what is not there and why; the choices that belong to them."""
    ways = comparison_results.variants(plan)
    against = baseline(ways, key)
    gaps = comparison_results.differences(asked.values, asked.split, asked.metric, against, ways)
    verdict(asked, gaps, against)
    missing(plan)
    if not asked.chosen["role"].isin(ways).any():
        return
    shown = ways if brief else choose(plan, asked)
    means = _ordered(asked, shown)
    dots(asked, means, against, f"{key}.dots")
    st.caption(references(asked))
    if not brief:
        table(plan, asked, means, gaps, f"{key}.table")
        seeds(asked, means, f"{key}.seeds")


def baseline(ways: list[str], key: str) -> str:
    """Against whom the others are held: vanilla distillation unless another is chosen."""
    usual = next((name for name in comparison_results.BASELINES if name in ways), ways[0])
    wanted = url_state.read().against
    against = st.selectbox(
        "Against",
        ways,
        ways.index(wanted if wanted in ways else usual),
        format_func=roles.title,
        key=f"{key}.against",
        width=340,
        help="Differences are paired: each seed's student against the same seed's.",
    )
    url_state.write(against="" if against == usual else against)
    return str(against)


def choose(plan: Plan, asked: study_view.Question) -> list[str]:
    """Which of them stand in chart and table; the verdicts stay those of all."""
    known = list(asked.chosen["role"].unique())
    ways = [way for way in comparison_results.variants(plan) if way in known]
    wanted = [way for way in url_state.read().methods.split(",") if way in known]
    with st.expander("Which are shown", icon=":material/checklist:"):
        shown = st.pills(
            "Shown",
            [*ways, *(role for role in known if role not in ways)],
            selection_mode="multi",
            default=wanted or ways,
            format_func=roles.title,
            key=f"contest.shown.{plan.id}.{asked.split}",
            label_visibility="collapsed",
        )
        st.caption("Hiding some changes no verdict: the correction counts all of them.")
    url_state.write(methods="" if set(shown) == set(ways) else ",".join(shown))
    return [str(role) for role in shown] or ways


# --- in words --------------------------------------------------------------------------------


def verdict(asked: study_view.Question, gaps: pd.DataFrame, against: str) -> None:
    """Who is better and who is worse, and honest about how many seeds say so."""
    if gaps.empty:
        st.info(
            f"{frame.plain(roles.title(against))} and another one must be finished first.",
            icon=":material/hourglass_top:",
        )
        return
    told = int(gaps["seeds"].max())
    if told < LEAST:
        count = "One seed proves" if told == 1 else f"{told} seeds prove"
        st.info(
            f"{leader(asked, gaps, against)} {count} nothing: a verdict takes at least {LEAST}, "
            "and this may be luck.",
            icon=":material/balance:",
        )
        return
    for judged, draw in (("better", st.success), ("worse", st.warning)):
        found = gaps[gaps["verdict"] == judged]
        if len(found):
            words = f"{judged.capitalize()} than {_name(against)} in {asked.title.lower()}"
            draw(f"{words}: {_listed(asked, found)}.", icon=ICONS[judged])
    open_ones = gaps[~gaps["verdict"].isin(["better", "worse"])]
    if len(open_ones):
        st.info(
            f"Inconclusive against {_name(against)}: {_listed(asked, open_ones)}.",
            icon=":material/balance:",
        )
    st.caption(
        "Paired over seeds, two-sided t test, Holm's correction for all planned comparisons, "
        "finished or not."
    )


def leader(asked: study_view.Question, gaps: pd.DataFrame, against: str) -> str:
    """The best mean difference as a sentence."""
    lower = asked.metric == "loss"
    rows = gaps.sort_values("difference", ascending=lower, kind="stable")
    best = rows.iloc[0]
    difference = float(best["difference"])
    ahead = difference < 0 if lower else difference > 0
    what, size = frame.plain(str(best["what"])), asked.size(difference)
    if ahead:
        side = "below" if lower else "above"
        return f"{asked.title}: the best mean, {what}, is {size} {side} {_name(against)}."
    if difference == 0:
        return f"{asked.title}: no mean is ahead of {_name(against)}; {what} is level with it."
    side = "above" if lower else "below"
    return f"{asked.title}: no mean is ahead of {_name(against)}; {what} is {size} {side} it."


def _name(role: str) -> str:
    words = roles.title(role)
    return frame.plain(words[0].lower() + words[1:])


def _listed(asked: study_view.Question, gaps: pd.DataFrame) -> str:
    """Names with their differences, the largest first."""
    rows = gaps.sort_values("difference", ascending=asked.metric == "loss")
    signs = ["+" if gap > 0 else "−" if gap < 0 else "±" for gap in rows["difference"]]
    return "; ".join(
        f"{frame.plain(what)} ({sign}{asked.size(gap)})"
        for what, sign, gap in zip(rows["what"], signs, rows["difference"], strict=True)
    )


def references(asked: study_view.Question) -> str:
    """The teachers' own numbers, in words."""
    chosen = asked.chosen
    teachers = chosen[[not roles.is_compared(role) for role in chosen["role"]]]
    means = teachers.groupby("role", sort=False)["value"].mean()
    words = [f"{roles.title(role)} {value:.3f}" for role, value in means.items()]
    return frame.plain(f"{asked.title} of the teachers: {', '.join(words) or 'not known yet'}.")


def missing(plan: Plan) -> None:
    """Students that will not come by themselves, and why."""
    runs = store.plan_runs(plan)
    stuck = [
        entry
        for entry in comparison_results.unfinished(plan)
        if entry["run"] not in runs or not activity.is_active(runs[entry["run"]])
    ]
    for reason in dict.fromkeys(entry["reason"] for entry in stuck):
        names = dict.fromkeys(roles.title(e["method"]) for e in stuck if e["reason"] == reason)
        st.warning(frame.plain(f"Not there: {', '.join(names)}. {reason}"), icon=":material/block:")


# --- chart and table -------------------------------------------------------------------------


def _ordered(asked: study_view.Question, shown: list[str]) -> pd.DataFrame:
    """The summary of those shown, the best first."""
    means = asked.summary()
    found = means[means["role"].isin(shown)]
    return found.sort_values("mean", ascending=asked.metric == "loss", kind="stable")


def dots(asked: study_view.Question, means: pd.DataFrame, against: str, key: str) -> None:
    """Every seed as a dot, the mean as a bar, its 95 % interval as a line, the best on top."""
    from pages.parts.shell import charts

    points = asked.chosen[asked.chosen["role"].isin(means["role"])]
    points = points.assign(what=points["role"].map(roles.title))
    own = means.loc[means["role"] == against, "mean"]
    spoken = "; ".join(f"{row.what} {row.mean:.3f}" for row in means.itertuples())
    st.altair_chart(
        charts.dots(points, means, asked.title, own.iloc[0] if len(own) else None),
        width="stretch",
        key=key,
        alt=f"{asked.title} of each way, one dot per seed. Means: {spoken}.",
    )


def table(
    plan: Plan, asked: study_view.Question, means: pd.DataFrame, gaps: pd.DataFrame, key: str
) -> None:
    """One row per way: metric, difference with verdict, and what it cost."""
    paired = gaps.rename(columns={"low": "gap_low", "high": "gap_high"})
    paired = paired[
        ["role", "difference", "gap_low", "gap_high", "confidence", "p_corrected", "wins", "words"]
    ]
    found = means.drop(columns=["seconds", "parameters"]).merge(paired, on="role", how="left")
    found = found.merge(comparison_results.costs(plan)[["role", *COSTS]], on="role", how="left")
    shown = found.assign(
        verdict=found["words"].fillna("–"),
        interval=_ranges(found["low"], found["high"], ""),
        gap=_ranges(found["gap_low"], found["gap_high"], "+"),
        wins=[
            f"{int(wins)} of {seeds}" if np.isfinite(wins) else "–"
            for wins, seeds in zip(found["wins"], found["seeds"], strict=True)
        ],
    )
    columns = ["what", "mean", "difference", "verdict", *COSTS, "wins", "interval", "gap"]
    columns += ["confidence", "p_corrected", "seeds"]
    st.dataframe(
        shown[columns],
        width="stretch",
        hide_index=True,
        key=key,
        placeholder="–",
        height="content",
        column_config=_columns(asked),
    )
    frame.draw_download(found, "comparison", f"{key}.csv")


def _ranges(low: pd.Series, high: pd.Series, sign: str) -> list[str]:
    return [
        "–" if not np.isfinite(one) else f"{one:{sign}.3f} to {other:{sign}.3f}"
        for one, other in zip(low, high, strict=True)
    ]


def _columns(asked: study_view.Question) -> dict[str, object]:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "what": text("Method", width=230),
        "mean": number(asked.title, format="%.3f", width=75, help="Mean over seeds."),
        "interval": text("95 % interval", help="Of this mean alone."),
        "difference": number(
            "Difference", format="%+.3f", width=80, help="To the one chosen above, over seeds."
        ),
        "gap": text("Of the difference", help="Its interval, at the confidence beside it."),
        "confidence": number(
            "Confidence", format="percent",
            help="The level at which Holm's procedure tests this comparison.",
        ),
        "p_corrected": number("p, corrected", format="%.2g", help="Holm: it decides."),
        "wins": text("Seeds won", width=85),
        "verdict": text("Verdict", width=90),
        "steps": number("Steps", format="%d", width=60, help="Optimiser steps of the student."),
        "extra_steps": number(
            "Extra steps", format="%d", width=85,
            help="Optimiser steps of training episodes, trial students and assistants.",
        ),
        "tries": number("Tries", format="%d", width=50, help="Settings tried for it."),
        "seconds": number("Seconds", format="%.1f", width=70, help="The student's wall time."),
        "extra_seconds": number(
            "Extra seconds", format="%.1f", width=105,
            help="Wall time of what was made for it: trial student, scores, pruning, assistant.",
        ),
        "held_out_passes": number(
            "Held-out passes", format="%d", width=120,
            help="Passes over the selection split that the method asked for.",
        ),
        "seeds": number("Seeds", format="%d", width=60),
    }  # fmt: skip


def seeds(asked: study_view.Question, means: pd.DataFrame, key: str) -> None:
    """Every seed of every way as a number."""
    wide = asked.chosen.pivot_table(index="role", columns="seed", values="value")
    wide = wide.reindex(means["role"]).reset_index()
    wide.insert(0, "method", wide.pop("role").map(roles.title))
    wide.columns = [name if name == "method" else f"seed {name}" for name in wide.columns]
    frame.draw_table(wide, "seeds", key, "Every seed as a number")
