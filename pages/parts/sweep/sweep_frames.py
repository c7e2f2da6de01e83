"""What a trade-off study has found, as frames; read anew only when another run has ended."""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from sparsekd.runs import store
from sparsekd.runs.records import Plan, State
from sparsekd.studies import sweep_results
from sparsekd.studies.sweep_results import Conclusion

Mark = tuple[str, str, int, float]
READ = {
    "students": sweep_results.students,
    "teachers": sweep_results.teachers,
    "stability": sweep_results.stability,
    "costs": sweep_results.costs,
}


@dataclass(frozen=True, eq=False)
class Found:
    """A study and how much of it is there: the frames below are those of this moment."""

    plan: Plan
    mark: Mark

    @property
    def finished(self) -> int:
        """How many runs are done."""
        return self.mark[2]

    def frame(self, name: str) -> pd.DataFrame:
        """One of `READ`."""
        read: pd.DataFrame = _frame(name, self.mark, self.plan)
        return read


def look(plan: Plan) -> Found:
    """A study as it stands."""
    runs = store.plan_runs(plan).values()
    ends = [run.finished or 0.0 for run in runs if run.state is State.DONE]
    return Found(plan, (str(store.home()), plan.id, len(ends), max(ends, default=0.0)))


@st.cache_data(max_entries=32, show_spinner="Reading the students …")  # type: ignore[untyped-decorator]
def _frame(name: str, mark: Mark, _plan: Plan) -> pd.DataFrame:
    return READ[name](_plan)


def conclusion(
    found: Found, students: pd.DataFrame, method: str, split: str, metric: str
) -> Conclusion:
    """Choices, verdicts and their sentence for one method, split and metric."""
    read: dict[str, Conclusion] = _conclusions(found.mark, split, metric, students)
    return read[method]


@st.cache_data(max_entries=32, show_spinner="Testing the differences …")  # type: ignore[untyped-decorator]
def _conclusions(
    mark: Mark, split: str, metric: str, _students: pd.DataFrame
) -> dict[str, Conclusion]:
    return sweep_results.conclusions(_students, split, metric)


def front(found: Found, split: str, metric: str) -> pd.DataFrame:
    """Quality, size and measured speed."""
    measured = len(store.runs("measure", [State.DONE]))
    read: pd.DataFrame = _front(found.mark, measured, split, metric, found.plan)
    return read


@st.cache_data(max_entries=16, show_spinner="Reading the models …")  # type: ignore[untyped-decorator]
def _front(mark: Mark, measured: int, split: str, metric: str, _plan: Plan) -> pd.DataFrame:
    return sweep_results.front([_plan], split, metric)


def curve(found: Found, split: str, metric: str) -> pd.DataFrame:
    """Students over sparsity, beside their teachers."""
    return sweep_results.curve(found.frame("students"), found.frame("teachers"), split, metric)


def grid(found: Found, method: str, split: str, metric: str) -> pd.DataFrame:
    """Students over λ and sparsity."""
    return sweep_results.grid(found.frame("students"), method, split, metric)
