"""What a trade-off study has found: the answer, choices, verdicts."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from pages.parts.shell import frame, url_state
from pages.parts.sweep import sweep_frames
from pages.parts.sweep.sweep_frames import Found
from sparsekd.catalog.methods import METHODS
from sparsekd.runs import references
from sparsekd.studies import stats, teacher_kinds
from sparsekd.studies.sweep_results import Choice, Conclusion, methods
from sparsekd.system.wording import counted
from sparsekd.tasks import metrics
from sparsekd.tasks.metrics import METRICS

SELECTION = "selection"
VERDICTS = (
    *("who", "difference", "interval", "confidence", "p", "p_corrected", "seeds", "words"),
    "needed_seeds",
)


@dataclass(frozen=True, eq=False)
class Asked:
    """One method, split and metric of what a study has found."""

    found: Found
    students: pd.DataFrame
    method: str
    split: str
    metric: str

    @property
    def title(self) -> str:
        """The metric in words."""
        return metrics.title(self.metric)

    @property
    def key(self) -> str:
        """Begins the keys of widgets that belong to this question."""
        return f"tradeoffs.{self.found.plan.id}.{self.method}.{self.split}.{self.metric}"

    def conclusion(self) -> Conclusion:
        """The chosen cell, the verdict against each control, and both in a sentence."""
        return sweep_frames.conclusion(
            self.found, self.students, self.method, self.split, self.metric
        )


def usual(found: Found) -> Asked | None:
    """The first method, the task's first metric, its first split; None before the first student."""
    students = found.frame("students")
    told = students.dropna(subset=["value"])
    if told.empty:
        return None
    card = references.cards().get(found.plan.task)
    splits = [name for name in told["split"].unique() if name != SELECTION]
    metrics = list(told["metric"].unique())
    wanted = card.metrics[0] if card else metrics[0]
    return Asked(
        found,
        students,
        methods(students)[0],
        splits[0] if splits else SELECTION,
        wanted if wanted in metrics else metrics[0],
    )


def ask(start: Asked) -> Asked:
    """Which method, split and metric, from the address bar and back into it."""
    told = start.students.dropna(subset=["value"])
    options = {
        "method": methods(start.students),
        "split": [name for name in told["split"].unique() if name != SELECTION] or [SELECTION],
        "metric": list(told["metric"].unique()),
    }
    chosen = {name: str(getattr(start, name)) for name in options}
    with st.container(horizontal=True):
        for name, values in options.items():
            if len(values) > 1:
                chosen[name] = _choose(name, values, chosen[name])
    return Asked(start.found, start.students, **chosen)


def _choose(name: str, values: list[str], usual_one: str) -> str:
    key = url_state.bound(name)
    if st.session_state[key] not in values:
        st.session_state[key] = usual_one
    chosen = st.segmented_control(
        name.capitalize(), values, required=True, key=key, format_func=_readable,
        help="λ and sparsity are chosen on the selection split, by this metric."
        if name == "metric" else None,
    )  # fmt: skip
    url_state.write(**{name: "" if chosen == usual_one else chosen})
    return str(chosen)


def _readable(name: str) -> str:
    if name in METHODS:
        return METHODS[name].title
    return metrics.title(name) if name in {*METRICS, "loss"} else name


# --- the answer ------------------------------------------------------------------------------


def answer(asked: Asked) -> None:
    """The verdict in a sentence, in the colour of what it says about the dense teacher."""
    found = asked.conclusion()
    words, main = frame.plain(found.sentence), found.verdict
    if main and main.verdict == "better":
        st.success(words, icon=":material/thumb_up:")
    elif main and main.verdict == "worse":
        st.warning(words, icon=":material/thumb_down:")
    else:
        st.info(words, icon=":material/balance:")
    seeds = asked.students["seed"].nunique()
    if seeds < stats.LEAST_SEEDS:
        st.caption(
            f"{counted(seeds, 'seed')} of at least {stats.LEAST_SEEDS}: no verdict is "
            "given. More seeds can be added, and what is there is used again."
        )


def evidence(asked: Asked) -> None:
    """What was chosen, what that cost in honesty, and how it stands against each control."""
    found = asked.conclusion()
    choices, verdicts = list(found.choices.values()), found.table()
    if not choices:
        return
    st.subheader("What was chosen", anchor=False)
    st.caption(
        f"Chosen on the selection split, reported on {frame.plain(asked.split)}, once. Each one "
        "is the best of its own tries."
    )
    table = chosen(choices)
    st.dataframe(
        table, width="stretch", hide_index=True, height="content", placeholder="–",
        column_config=_choice_columns(asked), key="tradeoffs.choices",
    )  # fmt: skip
    downloads(table, f"choices-{asked.found.plan.id}", f"{asked.key}.choices")
    if verdicts.empty:
        return
    st.subheader("Against each control", anchor=False)
    shown = verdicts.assign(
        who=verdicts["control"].map(teacher_kinds.title),
        interval=[
            ranged(*ends, "+") for ends in zip(verdicts["low"], verdicts["high"], strict=True)
        ],
    )
    st.dataframe(
        shown[list(VERDICTS)], width="stretch", hide_index=True, height="content",
        placeholder="–", column_config=_verdict_columns(asked), key="tradeoffs.verdicts",
    )  # fmt: skip
    downloads(verdicts, f"verdicts-{asked.found.plan.id}", f"{asked.key}.verdicts")


def chosen(choices: list[Choice]) -> pd.DataFrame:
    """One row per choice, in words."""
    return pd.DataFrame(
        [
            {
                "who": teacher_kinds.title(choice.ranking),
                "lam": choice.lam,
                "sparsity": 100 * choice.sparsity,
                "tries": f"{choice.tries}"
                if choice.tries == choice.planned
                else f"{choice.tries} of {choice.planned}",
                "selected": choice.selected,
                "reported": choice.reported,
                "interval": ranged(choice.low, choice.high),
                "claimed": choice.claimed,
                "optimism": choice.optimism,
            }
            for choice in choices
        ]
    )


def ranged(low: float, high: float, sign: str = "") -> str:
    """An interval in words; a dash where there is none."""
    return f"{low:{sign}.3f} to {high:{sign}.3f}" if np.isfinite(low + high) else "–"


def _choice_columns(asked: Asked) -> dict[str, object]:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "who": text("Taught by", width=175, help="Each with its best setting or try."),
        "lam": number("λ", format="%g", width=50, help="The λ that was chosen."),
        "sparsity": number("Sparsity", format="%g %%", width=75, help="Removed of the teacher."),
        "tries": text(
            "Tries", width=75,
            help="Settings, or random draws; one that lacks a seed does not compete.",
        ),
        "selected": number(
            "Selected on", format="%.3f", width=90,
            help=f"Mean {asked.title.lower()} on the selection split, by which it was chosen.",
        ),
        "reported": number(
            "Reported", format="%.3f", width=80,
            help=f"Mean over seeds on {asked.split}, which chose nothing.",
        ),
        "interval": text("95 % interval", width=115, help="Of the reported mean, over seeds."),
        "claimed": number(
            "Would claim", format="%.3f", width=90,
            help=f"The best mean among its tries, had the choice been made on {asked.split}.",
        ),
        "optimism": number(
            "Optimism", format="%+.3f", width=80,
            help="Would claim − reported: what choosing on the reported data makes up.",
        ),
    }  # fmt: skip


def _verdict_columns(asked: Asked) -> dict[str, object]:
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    return {
        "who": text("Against", width=165, help="Each with its best setting or try."),
        "difference": number(
            "Difference", format="%+.3f", width=80,
            help=f"{asked.title}: the chosen student of a sparse teacher minus this one, paired "
            "over seeds.",
        ),
        "interval": text("Interval", width=120, help="Of this difference, t distribution."),
        "confidence": number(
            "Confidence", format="percent", width=80,
            help="Of the interval: the level at which Holm's procedure tests the comparison.",
        ),
        "p": number("p", format="%.2g", width=65, help="Paired test of this difference alone."),
        "p_corrected": number(
            "p, corrected", format="%.2g", width=90,
            help="For the number of comparisons (Holm): by this the verdict is given.",
        ),
        "seeds": number("Seeds", width=50),
        "words": text("Verdict", width=205),
        "needed_seeds": number(
            "Needed", format="%d", width=65,
            help="So many seeds would decide it, if the difference and its spread stay as they "
            "are; none where it would take thousands.",
        ),
    }  # fmt: skip


# --- tables ----------------------------------------------------------------------------------


def downloads(table: pd.DataFrame, name: str, key: str) -> None:
    """Buttons that save a frame as CSV and as Parquet, made when they are pressed."""
    with st.container(horizontal=True):
        frame.draw_download(table, name, f"{key}.csv")
        st.download_button(
            "Download Parquet",
            lambda: table.to_parquet(index=False),
            f"{name}.parquet",
            "application/vnd.apache.parquet",
            key=f"{key}.parquet",
            icon=":material/download:",
            on_click="ignore",
        )


def twin(table: pd.DataFrame, name: str, key: str) -> None:
    """The table of a picture, folded away, to read and to take along."""
    with st.expander("As a table", icon=":material/table:"):
        st.dataframe(table, width="stretch", hide_index=True, key=f"{key}.table")
        downloads(table, name, key)
