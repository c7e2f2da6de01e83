"""Tasks, without torch: cards, local folders, demo grammars, splits and metrics."""

from sparsekd.errors import unknown
from sparsekd.tasks.cards import TaskCard
from sparsekd.tasks.demo import DEMO
from sparsekd.tasks.glue import GLUE

TASKS = DEMO | GLUE

__all__ = ["TASKS", "TaskCard", "find"]


def find(name: str) -> TaskCard:
    """Return the card of a demo or hub task.

    Raises:
        NotFound: no such task; the nearest names are in the hint.
    """
    if name not in TASKS:
        raise unknown("task", name, TASKS)
    return TASKS[name]
