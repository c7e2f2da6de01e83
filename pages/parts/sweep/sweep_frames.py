"""Results of a trade-off study as frames, read again only when another run has ended."""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from sparsekd.runs import store
from sparsekd.runs.records import Plan, State
from sparsekd.studies.sweeps import sweep_results
from sparsekd.studies.sweeps.sweep_metric import SweepMetric
from sparsekd.studies.sweeps.sweep_results import Conclusion

Version = tuple[str, str, int, float]
"""Store, plan, number of finished runs, time of the last end: the key of all caches below."""
READERS = {
    "students": sweep_results.students,
    "teachers": sweep_results.teachers,
    "stability": sweep_results.stability,
    "costs": sweep_results.costs,
}


@dataclass(frozen=True, eq=False)
class SweepSnapshot:
    """The results of a trade-off study at one moment."""

    plan: Plan
    version: Version

    @property
    def finished(self) -> int:
        """Return the number of finished runs."""
        return self.version[2]

    def frame(self, name: str) -> pd.DataFrame:
        """Return one of the frames of `READERS`."""
        return _frame(name, self.version, self.plan)

    def conclusion(self, of: SweepMetric) -> Conclusion:
        """Return the chosen cell, the verdict against each control, and both in a sentence."""
        return _conclusions(self.version, of.split, of.metric, of.students)[of.method]

    def warnings(self, of: SweepMetric) -> list[str]:
        """Return which students have learned nothing, as sentences."""
        return _warnings(self.version, of.key, of, self.conclusion(of))

    def front(self, of: SweepMetric) -> pd.DataFrame:
        """Return quality, size and measured speed of all models."""
        measured = len(store.runs("measure", [State.DONE]))
        return _front(self.version, measured, of.split, of.metric, self.plan)

    def curve(self, of: SweepMetric) -> pd.DataFrame:
        """Return students over sparsity, beside their teachers."""
        students, teachers = self.frame("students"), self.frame("teachers")
        return sweep_results.curve(students, teachers, of.split, of.metric)

    def grid(self, of: SweepMetric) -> pd.DataFrame:
        """Return students over λ and sparsity."""
        return sweep_results.grid(self.frame("students"), of.method, of.split, of.metric)


def take_snapshot(plan: Plan) -> SweepSnapshot:
    """Return the results of a study as of now."""
    runs = store.plan_runs(plan).values()
    ends = [run.finished or 0.0 for run in runs if run.state is State.DONE]
    version = (str(store.home()), plan.id, len(ends), max(ends, default=0.0))
    return SweepSnapshot(plan, version)


@st.cache_data(max_entries=32, show_spinner="Reading the students …")
def _frame(name: str, version: Version, _plan: Plan) -> pd.DataFrame:
    return READERS[name](_plan)


@st.cache_data(max_entries=32, show_spinner="Testing the differences …")
def _conclusions(
    version: Version, split: str, metric: str, _students: pd.DataFrame
) -> dict[str, Conclusion]:
    return sweep_results.conclusions(_students, split, metric)


@st.cache_data(max_entries=32, show_spinner="Reading the answers …")
def _warnings(version: Version, key: str, _of: SweepMetric, _found: Conclusion) -> list[str]:
    return _of.warnings(_found)


@st.cache_data(max_entries=16, show_spinner="Reading the models …")
def _front(version: Version, measured: int, split: str, metric: str, _plan: Plan) -> pd.DataFrame:
    return sweep_results.front([_plan], split, metric)
