"""The payload of a remote task, and the files that its runs need: the driver's side.

A payload is small and is sent with the task: recipes and outcomes. Files are copied over the
share, which is laid out like a store: folders of runs, and what came from outside any store.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparsekd.errors import NotFound
from sparsekd.runs import references, store
from sparsekd.runs.answer_files import is_answers, locate, stored_name
from sparsekd.runs.records import Outcome, Recipe, Run
from sparsekd.scheduler.executors.run_files import (
    CHECKPOINT,
    NOT_COPIED,
    NOT_READ,
    WHOLE,
    Copier,
    compare_steps,
)
from sparsekd.scheduler.executors.share import Share
from sparsekd.tasks import files as task_files


@dataclass(frozen=True)
class Payload:
    """The runs of one task, and what the catalogue has of the runs that they descend from.

    `card` is that of a local task, whose files are in `task_folder` of the share; `models`,
    `masks` and `answers` are those that no run has made.
    """

    recipes: tuple[Recipe, ...]
    ancestors: dict[str, tuple[str, Outcome]] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)
    task_folder: str = ""
    models: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()

    @property
    def inputs(self) -> list[str]:
        """Return the runs whose files these runs read."""
        own = {recipe.run_id for recipe in self.recipes}
        found = [name for recipe in self.recipes for name in needs(recipe)]
        return [name for name in dict.fromkeys(found) if name not in own]


def needs(recipe: Recipe) -> list[str]:
    """Return the runs that a recipe reads: its inputs, and the one its student starts from."""
    first = _student_checkpoint(recipe)
    return [*recipe.needs, *([first] if first in store.get_many([first]) else [])]


def _student_checkpoint(recipe: Recipe) -> str:
    return str(recipe.params.get("student", {}).get("checkpoint", ""))


def _models(recipe: Recipe) -> set[str]:
    """Return what a recipe names, and the checkpoint that its student starts from."""
    named = {*recipe.inputs.values(), _student_checkpoint(recipe)}
    if recipe.params.get("student", {}).get("choice") == "pretrained":
        named.add(references.pretrained(recipe.inputs["init"]))
    return named


def prepare(runs: Sequence[Run], share: Share) -> Payload:
    """Copy what the runs need to the share, where it is not there yet, and return their payload."""
    share.check()
    recipes = tuple(run.recipe for run in runs)
    card, task_folder = _copy_task(recipes[0].task, share)
    outside = {name for recipe in recipes for name in _models(recipe) if ":" in name}
    payload = Payload(
        recipes,
        ancestors(recipes),
        card,
        task_folder,
        tuple(_copy_model(name, share) for name in sorted(outside) if name.startswith("folder:")),
        tuple(_copy_mask(name, share) for name in sorted(outside) if name.startswith("mask:")),
        tuple(_copy_answers(name, share) for name in sorted(outside) if is_answers(name)),
    )
    if not is_store(share):
        for name in payload.inputs:
            _copy_run(name, share)
        for run in runs:
            if compare_steps(run.id, share) > 0:
                share.put(run.folder / CHECKPOINT, f"runs/{run.id}/{CHECKPOINT}")
    return payload


def ancestors(recipes: Iterable[Recipe]) -> dict[str, tuple[str, Outcome]]:
    """Return recipe (JSON) and outcome of all runs that these descend from, by id."""
    found: dict[str, tuple[str, Outcome]] = {}
    waiting = [name for recipe in recipes for name in needs(recipe)]
    while waiting:
        known = store.get_many(set(waiting) - set(found))
        found |= {name: (run.recipe.to_json(), run.outcome) for name, run in known.items()}
        waiting = [name for run in known.values() for name in needs(run.recipe)]
    return found


def fetch_results(run_id: str, share: Share) -> None:
    """Copy a run's files from the share to the store, unless the share is the store."""
    if is_store(share):
        return
    share.check()
    folder, names = store.folder(run_id), share.names(f"runs/{run_id}")
    for name in names:
        if name not in NOT_COPIED:
            share.fetch(f"runs/{run_id}/{name}", folder / name)
    if CHECKPOINT not in names:
        (folder / CHECKPOINT).unlink(missing_ok=True)


def is_store(share: Share) -> bool:
    """Return whether the share is this store itself."""
    return share.renames and Path(share.root) == store.home().absolute()


def _copy_run(run_id: str, share: Share) -> None:
    if not share.has(f"runs/{run_id}/{WHOLE}"):
        if not store.folder(run_id).is_dir():
            raise NotFound(f"The files of run {run_id} are gone.", "Delete it and make it again.")
        Copier(run_id, share, NOT_READ).copy()
        share.mark(f"runs/{run_id}/{WHOLE}")


def _copy_task(name: str, share: Share) -> tuple[dict[str, Any], str]:
    """Copy the files of a local task, and return its card and their folder on the share."""
    text = store.tasks().get(name)
    if text is None:
        return {}, ""
    card = json.loads(text)
    folder = f"outside/tasks/{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    splits = task_files.find(Path(card["location"]))
    for path in (path for paths in splits.values() for path in paths):
        if not share.has(f"{folder}/{path.name}"):
            share.put(path, f"{folder}/{path.name}")
    return card, folder


def _copy_model(reference: str, share: Share) -> str:
    """Copy a model from a local folder, and return its fingerprint, which names it on the share."""
    path, _, fingerprint = reference.removeprefix("folder:").rpartition("#")
    folder = f"outside/models/{fingerprint}"
    if not share.has(f"{folder}/{WHOLE}"):
        if not Path(path).is_dir():
            raise NotFound(f"The folder {path} is gone.", "Put it back, or name another model.")
        for file in sorted(Path(path).iterdir()):
            if file.suffix in (".json", ".safetensors", ".txt"):
                share.put(file, f"{folder}/{file.name}")
        share.mark(f"{folder}/{WHOLE}")
    return fingerprint


def _copy_answers(reference: str, share: Share) -> str:
    """Copy a file of answers, and return where it stands on the share."""
    name = stored_name(reference)
    if not share.has(name):
        share.put(locate(reference), name)
    return name


def _copy_mask(reference: str, share: Share) -> str:
    name = f"{reference.removeprefix('mask:')}.npz"
    if not share.has(f"outside/masks/{name}"):
        share.put(store.home() / "masks" / name, f"outside/masks/{name}")
    return name
