"""Tasks, without torch: cards, local folders, demo grammars, splits and metrics."""

from pathlib import Path

from sparsekd.errors import unknown
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.demo import DEMO
from sparsekd.tasks.glue import GLUE
from sparsekd.tasks.local import Names, inspect

TASKS = DEMO | GLUE

__all__ = ["TASKS", "TaskCard", "find", "resolve"]


def find(name: str) -> TaskCard:
    """The card of a built-in or hub task.

    Raises:
        NotFound: no such task, with the nearest names.
    """
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    return TASKS[name]


def resolve(
    reference: str, text: Names = None, label: str | None = None, metric: Names = None
) -> TaskCard:
    """The card of a task's name or of a folder with files train and validation.

    Raises:
        NotFound: neither a task nor a folder; BadInput: the folder's files are not usable.
    """
    if reference in TASKS:
        return TASKS[reference]
    return inspect(reference, text, label, metric) if _is_path(reference) else find(reference)


def _is_path(reference: str) -> bool:
    try:
        return reference.startswith((".", "/", "~")) or Path(reference).exists()
    except OSError:  # too long for a file name, for one
        return False
