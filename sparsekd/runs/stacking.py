"""Which students may train together, and what the bench found to be the fastest way."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sparsekd.catalog.methods import METHODS
from sparsekd.errors import BadInput
from sparsekd.runs import store
from sparsekd.runs.records import Recipe
from sparsekd.system.files import replace

FILE = "together.json"


@dataclass(frozen=True)
class Fastest:
    """What made the most students per hour on one device, of students `width` columns wide.

    `slots` processes side by side, each with `together` students in one stack;
    `students_per_hour` has every way that was tried, as "slots × together".
    """

    slots: int
    together: int
    students_per_hour: dict[str, float]
    width: int


def alike(recipe: Recipe) -> str | None:
    """What is the same for students that may train together; None where one must train alone.

    They may differ in seed, teacher, and in what their method is and weighs.
    """
    card = METHODS.get(recipe.method)
    if recipe.stage != "distil" or card is None or not card.stacks:
        return None
    same = [recipe.task, recipe.inputs["init"], recipe.params["train"], recipe.params["student"]]
    return hashlib.sha256(json.dumps(same, sort_keys=True).encode()).hexdigest()[:12]


def remembered() -> dict[str, dict[str, Any]]:
    """Per device, what the bench found fastest last, and under "widths" for each width.

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


def remember(device: str, found: Fastest) -> None:
    """Keep what the bench found, beside what it found for students of other widths."""
    known = remembered()
    values = asdict(found)
    widths = known.get(device, {}).get("widths", {}) | {str(found.width): values}
    known[device] = values | {"widths": widths}
    text = json.dumps(known, indent=1)
    replace(_path(), lambda beside: beside.write_text(text, encoding="utf-8"))


def most(device: str, recipe: Recipe) -> int:
    """How many students like this one are trained together on a device.

    That of the narrowest students measured there that are at least as wide; 1 where nothing is
    known, since a stack of wide students can be slower than one after another.
    """
    width = _width(recipe)
    if alike(recipe) is None or width is None:
        return 1
    widths = remembered().get(device, {}).get("widths", {})
    fitting = [entry for entry in widths.values() if entry["width"] >= width]
    chosen = min(fitting, key=lambda entry: int(entry["width"]), default={"together": 1})
    return int(chosen["together"])


def _width(recipe: Recipe) -> int | None:
    """Columns of the model that a student is made of, where that is a finished run's."""
    init = recipe.inputs.get("init", "")
    if not init or ":" in init or recipe.params["student"].get("choice") == "checkpoint":
        return None
    path = store.folder(init) / "shape.json"
    return int(json.loads(path.read_text(encoding="utf-8"))["hidden"]) if path.exists() else None


def _path() -> Path:
    return store.home() / FILE
