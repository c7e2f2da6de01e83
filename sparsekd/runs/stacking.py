"""Which students can be trained in one stack, and the fastest measured setting of a device."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sparsekd.catalog.methods import METHODS
from sparsekd.errors import BadInput
from sparsekd.runs import store
from sparsekd.runs.records import Recipe
from sparsekd.system.files import atomic_write

FILE = "together.json"


@dataclass(frozen=True)
class StackSetting:
    """The setting that trained the most students per hour on one device, at hidden size `width`.

    `slots` processes side by side, each with `together` students in one stack;
    `students_per_hour` has every setting that was measured, as "slots × together".
    """

    slots: int
    together: int
    students_per_hour: dict[str, float]
    width: int


def stack_key(recipe: Recipe) -> str | None:
    """Return what students of one stack have in common; None where one cannot be stacked.

    They may differ in seed, teacher, method and its parameters.
    """
    card = METHODS.get(recipe.method)
    if recipe.stage != "distil" or card is None or not card.stacks:
        return None
    same = [recipe.task, recipe.inputs["init"], recipe.params["train"], recipe.params["student"]]
    return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:12]


def load_settings() -> dict[str, dict[str, Any]]:
    """Return the last measured setting of each device, and under "widths" that of each width.

    Raises:
        BadInput: the file is damaged.
    """
    if not _path().exists():
        return {}
    try:
        found: dict[str, dict[str, Any]] = json.loads(_path().read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(
            f"{_path()} is damaged.", "Delete it, and run bench --only students again."
        ) from error
    return found


def save_setting(device: str, found: StackSetting) -> None:
    """Save a measured setting beside those of other widths."""
    known = load_settings()
    values = asdict(found)
    widths = known.get(device, {}).get("widths", {}) | {str(found.width): values}
    known[device] = values | {"widths": widths}
    text = json.dumps(known, indent=1)
    atomic_write(_path(), lambda beside: beside.write_text(text, encoding="utf-8"))


def stack_size(device: str, recipe: Recipe) -> int:
    """Return how many students like this one are trained in one stack on a device.

    It is that of the narrowest students measured there that are at least as wide; 1 where nothing
    was measured, since a stack of wide students can be slower than one after another.
    """
    width = _width(recipe)
    if stack_key(recipe) is None or width is None:
        return 1
    widths = load_settings().get(device, {}).get("widths", {})
    fitting = [entry for entry in widths.values() if entry["width"] >= width]
    chosen = min(fitting, key=lambda entry: int(entry["width"]), default={"together": 1})
    return int(chosen["together"])


def _width(recipe: Recipe) -> int | None:
    """Return the hidden size of the model that a student is made of; None where unknown."""
    init = recipe.inputs.get("init", "")
    if not init or ":" in init or recipe.params["student"].get("choice") == "checkpoint":
        return None
    path = store.folder(init) / "shape.json"
    return int(json.loads(path.read_text(encoding="utf-8"))["hidden"]) if path.exists() else None


def _path() -> Path:
    return store.own_home() / FILE
