"""The store of a node made ready for the runs of a payload."""

import json
import time
from pathlib import Path
from shutil import rmtree

from filelock import FileLock

from sparsekd.runs import store
from sparsekd.runs.records import Outcome, Recipe, State
from sparsekd.scheduler.executors.payloads import Payload
from sparsekd.scheduler.executors.run_files import (
    CHECKPOINT,
    NOT_READ,
    WHOLE,
    compare_steps,
    mark_whole,
)
from sparsekd.scheduler.executors.share import Share

UNUSED = 3600.0  # seconds after which a node deletes what no run has used


def unpack(payload: Payload, share: Share) -> None:
    """Fetch the files that a payload's runs need, and queue the runs in this store."""
    share.check()
    home = store.home()
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / "unpacking.lock"):  # tasks of one node fetch what they share once
        _delete_unused(home / "runs")
        for name in payload.inputs:
            _fetch_folder(f"runs/{name}", store.folder(name), share)
        for fingerprint in payload.models:
            name = f"outside/models/{fingerprint}"
            _fetch_folder(name, home / name, share)
        for name in payload.masks:
            share.fetch(f"outside/masks/{name}", home / "masks" / name)
        for name in payload.answers:
            share.fetch(name, home / name)
        if payload.task_folder:
            _fetch_folder(payload.task_folder, home / payload.task_folder, share)
            card = payload.card | {"location": str(home / payload.task_folder)}
            store.save_task(card["name"], json.dumps(card, sort_keys=True))
        _add_ancestors(payload)
        for recipe in payload.recipes:
            _queue_run(recipe, share)


def _delete_unused(folder: Path) -> None:
    """Delete folders of runs, all of them on the share too, that no run has used for long."""
    for mark in folder.glob(f"*/{WHOLE}"):
        if time.time() - mark.stat().st_mtime > UNUSED:
            rmtree(mark.parent, ignore_errors=True)


def _fetch_folder(name: str, folder: Path, share: Share) -> None:
    if not (folder / WHOLE).exists():
        for part in share.names(name):
            if part.split("/")[0] not in NOT_READ:
                share.fetch(f"{name}/{part}", folder / part)
    mark_whole(folder)


def _add_ancestors(payload: Payload) -> None:
    """Add the runs that the payload's descend from, as done."""
    known = store.get_many(payload.ancestors)
    missing = {name: what for name, what in payload.ancestors.items() if name not in known}
    store.create_all([Recipe.from_json(text) for text, _ in missing.values()], "cpu")
    undone = {name for name, run in known.items() if run.state is not State.DONE}
    for name in undone | set(missing):
        store.finish(name, State.DONE, payload.ancestors[name][1], 0.0)


def _queue_run(recipe: Recipe, share: Share) -> None:
    """Queue a run here, with the later of the checkpoints here and on the share.

    A run that is done here although its result never reached the share stays done.
    """
    name = recipe.run_id
    run = store.create(recipe, "cpu")
    if run.state is State.DONE:
        if run.folder.exists() and not (run.folder / WHOLE).exists():
            return
        rmtree(run.folder, ignore_errors=True)  # it was deleted in the driver's store since
        store.finish(name, State.CANCELLED, Outcome(), 0.0)
    store.requeue(name)
    if compare_steps(name, share) < 0:
        share.fetch(f"runs/{name}/{CHECKPOINT}", run.folder / CHECKPOINT)
