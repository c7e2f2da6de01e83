"""The sizes of the models that runs have made or read."""

import json
from pathlib import Path

from sparsekd.errors import BadInput, NotFound
from sparsekd.runs import store
from sparsekd.runs.records import Run
from sparsekd.units.shape import ModelShape


def of_run(run: Run) -> ModelShape:
    """Return the sizes of a run's model.

    Raises:
        NotFound: the run kept no sizes; BadInput: they are damaged.
    """
    found = _read(run.folder)
    if found is None:
        raise NotFound(
            f"The sizes of the model of run {run.id} are missing.",
            "Delete that run and make the model again.",
        )
    return found


def of_scored_teacher(run: Run) -> ModelShape | None:
    """Return the sizes of the teacher that a run scored; None where no run kept them.

    Raises:
        BadInput: the sizes are damaged.
    """
    teacher = run.recipe.inputs["teacher"]
    return _read(run.folder if ":" in teacher else store.folder(teacher))


def _read(folder: Path) -> ModelShape | None:
    path = folder / "shape.json"
    if not path.is_file():
        return None
    try:
        return ModelShape.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{path} is damaged.", "Delete its run and make the model again.") from error
