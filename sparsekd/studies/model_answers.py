"""What the stored answers of a plan's models show on one split, in one place."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from sparsekd.runs import overlaps, store
from sparsekd.runs.records import Plan
from sparsekd.studies import (
    answer_words,
    calibration_tables,
    class_changes,
    models,
    soft_labels,
    teacher_agreement,
    teacher_choices,
)
from sparsekd.studies.class_changes import Transition
from sparsekd.studies.models import Answers
from sparsekd.tasks.cards import TaskCard


@dataclass(frozen=True, eq=False)
class ModelAnswers:
    """Agreement, calibration and classes of the models of a plan, each computed when asked for."""

    plan: Plan
    card: TaskCard
    split: str

    @cached_property
    def found(self) -> list[Answers]:
        """Return the finished models with their answers."""
        return models.answers(self.plan, self.split)

    @cached_property
    def agreement(self) -> pd.DataFrame:
        """Return the frame of `teacher_agreement.rows`."""
        return teacher_agreement.rows(self.card, self.found)

    @cached_property
    def agreement_verdicts(self) -> pd.DataFrame:
        """Return the frame of `teacher_agreement.verdicts`."""
        return teacher_agreement.verdicts(self.plan, self.agreement, self._agreement_left_out)

    @cached_property
    def agreement_summary(self) -> pd.DataFrame:
        """Return the frame of `teacher_agreement.summary`."""
        return teacher_agreement.summary(self.agreement, self._agreement_left_out)

    @cached_property
    def _agreement_left_out(self) -> teacher_agreement.LeftOut:
        return teacher_agreement.left_out(self.card, self.found)

    @cached_property
    def agreement_by_class(self) -> pd.DataFrame:
        """Return the frame of `teacher_agreement.by_class`."""
        return teacher_agreement.by_class(self.card, self.found)

    @cached_property
    def soft_labels(self) -> pd.DataFrame:
        """Return the frame of `soft_labels.table`."""
        return soft_labels.table(self.plan, store.plan_runs(self.plan))

    @cached_property
    def teacher_choices(self) -> pd.DataFrame:
        """Return the frame of `teacher_choices.table`."""
        return teacher_choices.table(self.plan, store.plan_runs(self.plan))

    @cached_property
    def calibration(self) -> pd.DataFrame:
        """Return the frame of `calibration_tables.rows`."""
        return calibration_tables.rows(self.card, self.found)

    @cached_property
    def bins(self) -> pd.DataFrame:
        """Return the frame of `calibration_tables.bins`."""
        return calibration_tables.bins(self.card, self.found, self.calibration)

    @cached_property
    def classes(self) -> pd.DataFrame:
        """Return the frame of `class_changes.table`."""
        return class_changes.table(self.card, self.found)

    @cached_property
    def transitions(self) -> list[Transition]:
        """Return the changes whose two models are there; see `class_changes.transitions`."""
        there = {one.role for one in self.found}
        return [
            each
            for each in class_changes.transitions(self.plan)
            if {each.before, each.after} <= there
        ]

    def changes(self, pair: Transition, measure: str = "recall") -> pd.DataFrame:
        """Return the frame of `class_changes.changes`."""
        return class_changes.changes(self.classes, pair, measure, self._classes_left_out)

    @cached_property
    def _classes_left_out(self) -> class_changes.LeftOut:
        return class_changes.left_out(self.card, self.found)

    def seed_changes(self, pair: Transition, measure: str = "recall") -> pd.DataFrame:
        """Return the frame of `class_changes.seed_changes`."""
        return class_changes.seed_changes(self.classes, pair, measure)

    def mean_changes(self, pair: Transition) -> pd.DataFrame:
        """Return the frame of `class_changes.mean_changes`."""
        return class_changes.mean_changes(self.card, self.found, pair)

    def changes_in_words(self, pair: Transition) -> str:
        """Return the change of the means, and the class that loses most."""
        return answer_words.change_in_words(pair, self.changes(pair), self.mean_changes(pair))

    def facts(self) -> dict[str, Any]:
        """Return all tables as plain values."""
        return {
            "overlaps": [each.to_json() for each in overlaps.known(self.card) or []],
            "agreement": self.agreement.to_dict("records"),
            "agreement_summary": self.agreement_summary.to_dict("records"),
            "agreement_by_class": self.agreement_by_class.to_dict("records"),
            "agreement_verdicts": self.agreement_verdicts.to_dict("records"),
            "soft_labels": self.soft_labels.to_dict("records"),
            "teacher_choices": self.teacher_choices.to_dict("records"),
            "calibration": self.calibration.to_dict("records"),
            "calibration_summary": calibration_tables.summary(self.calibration).to_dict("records"),
            "classes": class_changes.summary(self.classes).to_dict("records"),
            "class_changes": [
                {
                    "before": pair.before,
                    "after": pair.after,
                    "means": self.mean_changes(pair).to_dict("records"),
                    "classes": self.changes(pair).to_dict("records"),
                }
                for pair in self.transitions
            ],
        }
