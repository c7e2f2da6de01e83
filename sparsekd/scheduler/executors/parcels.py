"""What a run needs on another machine, and what comes back from there.

A parcel is small and travels with the task: recipes and outcomes. Files travel over the share,
which is laid out like a store: the folders of runs, and what came from outside any store.
"""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from typing import Any

from filelock import FileLock

from sparsekd.errors import NotFound
from sparsekd.runs import store
from sparsekd.runs.records import Outcome, Recipe, Run, State
from sparsekd.scheduler.executors.share import Share
from sparsekd.system.files import atomic_write
from sparsekd.tasks import files as task_files

WHOLE = "whole"  # written last: all files of this folder are there
STATE = "checkpoint.safetensors"
KEEP = 3600.0  # seconds after which a node forgets what it has fetched
NOWHERE = -1  # before the first step
NEVER = {"lock", WHOLE}
# What no run starts from; a Jacobian is for rescoring on pages, and may have gigabytes.
UNREAD = {*NEVER, STATE, "log.txt", "jacobian", "export", "findings.parquet"}


@dataclass(frozen=True)
class Parcel:
    """Runs to be done, and what the catalogue knows of those before them.

    `card` is that of a local task, its files named by `shelf`; `models` and `masks` came from
    outside any run.
    """

    recipes: tuple[Recipe, ...]
    before: dict[str, tuple[str, Outcome]] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)
    shelf: str = ""
    models: tuple[str, ...] = ()
    masks: tuple[str, ...] = ()

    @property
    def inputs(self) -> list[str]:
        """The runs whose files these runs read."""
        own = {recipe.run_id for recipe in self.recipes}
        found = [name for recipe in self.recipes for name in needs(recipe)]
        return [name for name in dict.fromkeys(found) if name not in own]


def needs(recipe: Recipe) -> list[str]:
    """The runs that a recipe reads: its inputs, and the one its student starts from, if any."""
    first = str(recipe.params.get("student", {}).get("checkpoint", ""))
    return [*recipe.needs, *([first] if first in store.get_many([first]) else [])]


# --- from the driver -------------------------------------------------------------------------


def send(runs: Sequence[Run], share: Share) -> Parcel:
    """Put on the share what the runs start from, where it is not there yet."""
    share.check()
    recipes = tuple(run.recipe for run in runs)
    card, shelf = _task(recipes[0].task, share)
    outside = {name for recipe in recipes for name in recipe.inputs.values() if ":" in name}
    parcel = Parcel(
        recipes,
        before(recipes),
        card,
        shelf,
        tuple(_model(name, share) for name in sorted(outside) if name.startswith("folder:")),
        tuple(_mask(name, share) for name in sorted(outside) if name.startswith("mask:")),
    )
    if not at_home(share):
        for name in parcel.inputs:
            _input(name, share)
        for run in runs:
            if _further(run.id, share) > 0:
                share.put(run.folder / STATE, f"runs/{run.id}/{STATE}")
    return parcel


def before(recipes: Iterable[Recipe]) -> dict[str, tuple[str, Outcome]]:
    """Recipe (JSON) and outcome of all runs that these descend from, by id."""
    found: dict[str, tuple[str, Outcome]] = {}
    waiting = [name for recipe in recipes for name in needs(recipe)]
    while waiting:
        known = store.get_many(set(waiting) - set(found))
        found |= {name: (run.recipe.to_json(), run.outcome) for name, run in known.items()}
        waiting = [name for run in known.values() for name in needs(run.recipe)]
    return found


def fetch_back(run_id: str, share: Share) -> None:
    """Bring home what a run left on the share; nothing to do where the share is the store."""
    if at_home(share):
        return
    share.check()
    folder, names = store.folder(run_id), share.names(f"runs/{run_id}")
    for name in names:
        if name not in NEVER:
            share.fetch(f"runs/{run_id}/{name}", folder / name)
    if STATE not in names:
        (folder / STATE).unlink(missing_ok=True)


def at_home(share: Share) -> bool:
    """Whether the share is this store itself."""
    return share.renames and Path(share.root) == store.home().absolute()


def _input(run_id: str, share: Share) -> None:
    if not share.has(f"runs/{run_id}/{WHOLE}"):
        if not store.folder(run_id).is_dir():
            raise NotFound(f"The files of run {run_id} are gone.", "Delete it and make it again.")
        Copier(run_id, share, UNREAD).copy()
        share.mark(f"runs/{run_id}/{WHOLE}")


def _task(name: str, share: Share) -> tuple[dict[str, Any], str]:
    """The card of a local task, and where its files are on the share."""
    text = store.tasks().get(name)
    if text is None:
        return {}, ""
    card = json.loads(text)
    shelf = f"outside/tasks/{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    splits = task_files.find(Path(card["location"]))
    for path in (path for paths in splits.values() for path in paths):
        if not share.has(f"{shelf}/{path.name}"):
            share.put(path, f"{shelf}/{path.name}")
    return card, shelf


def _model(reference: str, share: Share) -> str:
    """Send a model that came from a folder; it is known by its fingerprint from here on."""
    path, _, fingerprint = reference.removeprefix("folder:").rpartition("#")
    shelf = f"outside/models/{fingerprint}"
    if not share.has(f"{shelf}/{WHOLE}"):
        if not Path(path).is_dir():
            raise NotFound(f"The folder {path} is gone.", "Put it back, or name another model.")
        for file in sorted(Path(path).iterdir()):
            if file.suffix in (".json", ".safetensors", ".txt"):
                share.put(file, f"{shelf}/{file.name}")
        share.mark(f"{shelf}/{WHOLE}")
    return fingerprint


def _mask(reference: str, share: Share) -> str:
    name = f"{reference.removeprefix('mask:')}.npz"
    if not share.has(f"outside/masks/{name}"):
        share.put(store.home() / "masks" / name, f"outside/masks/{name}")
    return name


# --- on the node -----------------------------------------------------------------------------


def unpack(parcel: Parcel, share: Share) -> None:
    """Make this machine's store ready for the parcel's runs; what is here already stays."""
    share.check()
    home = store.home()
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / "unpacking.lock"):  # tasks of one node fetch what they share once
        _tidy(home / "runs")
        for name in parcel.inputs:
            _shelf(f"runs/{name}", store.folder(name), share)
        for fingerprint in parcel.models:
            _shelf(
                f"outside/models/{fingerprint}", home / "outside" / "models" / fingerprint, share
            )
        for name in parcel.masks:
            share.fetch(f"outside/masks/{name}", home / "masks" / name)
        if parcel.shelf:
            _shelf(parcel.shelf, home / parcel.shelf, share)
            card = parcel.card | {"location": str(home / parcel.shelf)}
            store.save_task(card["name"], json.dumps(card, sort_keys=True))
        _enter(parcel)
        for recipe in parcel.recipes:
            _begin(recipe, share)


def _shelf(name: str, folder: Path, share: Share) -> None:
    if not (folder / WHOLE).exists():
        for part in share.names(name):
            if part.split("/")[0] not in UNREAD:
                share.fetch(f"{name}/{part}", folder / part)
    _mark_here(folder)


def _tidy(folder: Path) -> None:
    """Drop the folders of runs, all of them on the share too, that nobody has used for long."""
    for mark in folder.glob(f"*/{WHOLE}"):
        if time.time() - mark.stat().st_mtime > KEEP:
            rmtree(mark.parent, ignore_errors=True)


def _enter(parcel: Parcel) -> None:
    """Enter the runs before these as what they are: done."""
    known = store.get_many(parcel.before)
    missing = {name: what for name, what in parcel.before.items() if name not in known}
    store.create_all([Recipe.from_json(text) for text, _ in missing.values()], "cpu")
    undone = {name for name, run in known.items() if run.state is not State.DONE}
    for name in undone | set(missing):
        store.finish(name, State.DONE, parcel.before[name][1], 0.0)


def _begin(recipe: Recipe, share: Share) -> None:
    """Queue a run here, at the furthest checkpoint there is.

    One that ended here although its result never reached the share is as good as done.
    """
    name = recipe.run_id
    run = store.create(recipe, "cpu")
    if run.state is State.DONE:
        if run.folder.exists() and not (run.folder / WHOLE).exists():
            return
        rmtree(run.folder, ignore_errors=True)  # asked for again: it was deleted in the store
        store.finish(name, State.CANCELLED, Outcome(), 0.0)
    store.requeue(name)
    if _further(name, share) < 0:
        share.fetch(f"runs/{name}/{STATE}", run.folder / STATE)


class Copier:
    """Copies what has changed in a run's folder to the share."""

    def __init__(self, run_id: str, share: Share, leave: Iterable[str] = NEVER) -> None:
        self.run_id, self.share, self.leave = run_id, share, set(leave)
        self.sent: dict[Path, tuple[int, int]] = {}

    def copy(self) -> int:
        """Copy, and say how many bytes went."""
        folder, total = store.folder(self.run_id), 0
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            hidden = any(part.startswith(".") for part in name.parts)
            if hidden or name.parts[0] in self.leave or not path.is_file():
                continue
            try:
                facts = path.stat()
                if self.sent.get(path) != (facts.st_mtime_ns, facts.st_size):
                    total += self.share.put(path, f"runs/{self.run_id}/{name.as_posix()}")
                    self.sent[path] = (facts.st_mtime_ns, facts.st_size)
            except FileNotFoundError:  # the worker has just removed it
                continue
        return total

    def deliver(self, whole: bool) -> int:
        """Copy the last of a run that has ended; `whole` says that others may start from it."""
        total = self.copy()
        folder = store.folder(self.run_id)
        if whole:
            self.share.remove(f"runs/{self.run_id}/{STATE}")
            self.share.mark(f"runs/{self.run_id}/{WHOLE}")
            _mark_here(folder)
        return total


def _mark_here(folder: Path) -> None:
    atomic_write(folder / WHOLE, lambda beside: beside.write_text("All of it is here.\n"))


def step_of(run_id: str) -> int:
    """The step at which a run's checkpoint in this store stands; below 0 without one."""
    here = store.folder(run_id) / STATE
    return _step(lambda *ends: _part(here, *ends)) if here.exists() else NOWHERE


def _further(run_id: str, share: Share) -> int:
    """Above 0 where this store's checkpoint is ahead of the share's, below 0 where behind."""
    there, ours = f"runs/{run_id}/{STATE}", step_of(run_id)
    theirs = _step(lambda *ends: share.part(there, *ends)) if share.has(there) else NOWHERE
    return (ours > theirs) - (ours < theirs)


def _part(path: Path, start: int, end: int) -> bytes:
    with path.open("rb") as stream:
        stream.seek(start)
        return stream.read(end - start)


def _step(part: Callable[[int, int], bytes]) -> int:
    """The step of a training state, which its header tells without torch."""
    try:
        end = 8 + int.from_bytes(part(0, 8), "little")
        facts = json.loads(json.loads(part(8, end))["__metadata__"]["sparsekd"])
        return int(facts["step"])
    except (ValueError, KeyError, OverflowError):  # damaged: no state at all
        return NOWHERE
