"""Overlaps of a task's splits with its training data, computed once per task and kept."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from sparsekd.errors import BadInput
from sparsekd.runs import store
from sparsekd.runs.kept_groups import kept_groups
from sparsekd.system.files import atomic_write
from sparsekd.tasks import TaskCard, local, overlaps, summary
from sparsekd.tasks.cards import BY_TEXT
from sparsekd.tasks.group_draw import LargeGroups
from sparsekd.tasks.overlaps import LARGE, Overlap
from sparsekd.tasks.splits import can_carve, with_selection


def of_task(card: TaskCard) -> list[Overlap] | None:
    """Return the overlaps of a task; None for a hub task whose data no run has read yet.

    Raises:
        BadInput: unusable files, or groups that are too large for a selection split.
    """
    found = known(card)
    if found is not None:
        return found
    splits = summary.read_splits(card)
    if splits is None:
        return None
    if can_carve(splits["train"]):
        splits = with_selection(splits, card, kept_groups)
    return keep(card, splits)


def known(card: TaskCard) -> list[Overlap] | None:
    """Return the overlaps that were computed already; None where they were not.

    Raises:
        BadInput: their file is damaged.
    """
    path = _path(card)
    if not path.exists():
        return None
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [Overlap.from_json(row) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} is damaged.", "Delete it; it will be made again.") from error


def keep(card: TaskCard, frames: Mapping[str, pd.DataFrame]) -> list[Overlap]:
    """Compute the overlaps of a task from its frames, selection among them, and keep them."""
    found = overlaps.overlaps(frames)
    text = json.dumps([each.to_json() for each in found], ensure_ascii=False)
    atomic_write(_path(card), lambda beside: beside.write_text(text, encoding="utf-8"))
    return found


def warning(card: TaskCard) -> str:
    """Return in words where a task's splits overlap much with training, as far as it is known."""
    return overlaps.sentence(card, known(card) or [])


def with_usual_split(card: TaskCard) -> TaskCard:
    """Return a folder's task with the selection split that is usual for its texts.

    Groups of texts where more than 5% of a plain selection split overlaps with training, unless
    the groups are too large for a selection split; otherwise the plain one.
    """
    found = {each.split: each.share for each in of_task(card) or []}
    if found.get("selection", 0.0) <= LARGE:
        return card
    grouped = local.with_groups(card, BY_TEXT)
    try:
        of_task(grouped)
    except LargeGroups:  # the plain split stays, with the warning of its overlap
        return card
    return grouped


def _path(card: TaskCard) -> Path:
    text = json.dumps(card.to_json() | {"name": "", "title": ""}, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return store.home() / "cache" / "overlaps" / f"{digest}.json"
