"""The card of a task: its inputs and labels, where its data is, and its metrics."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Origin = Literal["demo", "hub", "folder"]
Kind = Literal["classes", "labels", "number"]
"""What an example's label is: one of the classes, any number of labels, or a number."""
BY_TEXT = "text"
BY_COLUMN = "column "
OPTIONAL = ("unlabelled", "multilabel", "groups", "validation_share", "notes")
"""Fields that only some tasks have."""


@dataclass(frozen=True)
class TaskCard:
    """A task: one or two texts in, a class, several labels or a number out.

    `location` is the grammar of a demo task, "hub id:configuration", or an absolute folder.
    `labels` are the names of the classes or labels in id order, empty for regression; the first of
    `metrics` decides early stopping; `fingerprint` is a hash of a folder's files; `unlabelled`
    counts the training texts without a label. In a `multilabel` task a text has any number of the
    labels; `label` is then empty where each label has a column of its own, with its name.
    `groups` says which training examples the selection split keeps together: those that share text
    (`BY_TEXT`), those of one value in a column (`BY_COLUMN` and its name), or none ("").
    `validation_share` of the training rows of a folder are its validation split, where it has no
    file for one; `notes` say what was inferred of its files and labels.
    """

    name: str
    title: str
    source: str
    origin: Origin
    location: str
    text: tuple[str, ...]
    label: str
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    validation: tuple[str, ...] = ("validation",)
    fingerprint: str = ""
    unlabelled: int = 0
    multilabel: bool = False
    groups: str = ""
    validation_share: float = 0.0
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """What an example's label is."""
        if self.multilabel:
            return "labels"
        return "classes" if self.labels else "number"

    @property
    def label_columns(self) -> tuple[str, ...]:
        """The columns that hold the label, or one for each label."""
        return (self.label,) if self.label else self.labels

    @property
    def group_column(self) -> str:
        """The column whose values are the groups; empty without one."""
        return self.groups.removeprefix(BY_COLUMN) if self.groups.startswith(BY_COLUMN) else ""

    @property
    def regression(self) -> bool:
        """Whether the label is a number, not a class."""
        return not self.labels

    @property
    def classes(self) -> int:
        """C, the width of a model's output: one for each class or label, 1 for regression."""
        return len(self.labels) or 1

    @property
    def pair(self) -> bool:
        """Whether an example has two texts."""
        return len(self.text) == 2

    @property
    def folder(self) -> Path:
        """Folder of a local task's files."""
        return Path(self.location)

    def to_json(self) -> dict[str, Any]:
        """Return the card as plain JSON values, without what only some tasks have."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
            if value or key not in OPTIONAL
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "TaskCard":
        """Return the card that `to_json` wrote."""
        plain: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**plain)
