"""Submit, cancel and resume runs; `sparsekd.scheduler.run_queue` starts them."""

import json
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sparsekd.errors import BadInput, SparseKDError, Unavailable, unknown
from sparsekd.runs import store
from sparsekd.runs.records import RESUMABLE, UNFINISHED, Plan, Recipe, Run, State
from sparsekd.runs.schema import QUEUE_LOCK
from sparsekd.system import locks
from sparsekd.system.files import replace
from sparsekd.system.processes import detached

GRACE = 15.0  # seconds that a queue process may take to begin


@dataclass(frozen=True)
class Device:
    """A place to compute: torch's name for it, and what it is in words."""

    name: str
    words: str


# --- asking ----------------------------------------------------------------------------------


def submit(recipes: Iterable[Recipe], device: str = "auto", retries: int = 0) -> list[Run]:
    """Queue recipes and return their runs at once.

    Finished runs are found, running ones left alone, and those that failed or stopped are
    queued again; submitting twice is harmless. `retries` says how often each is tried again
    after a failure that may pass.
    """
    check_device(device)
    wanted = {recipe.run_id: recipe for recipe in recipes}
    store.create_all(wanted.values(), device, retries)
    runs = store.several(wanted)
    stopped = [name for name in wanted if runs[name].state in RESUMABLE]
    store.requeue_all(stopped, device, retries)
    forget_trouble()
    wake()
    found = store.several(wanted)
    return [found[name] for name in wanted]


def submit_plan(plan: Plan, device: str = "auto") -> list[Run]:
    """Remember a plan and queue its runs; those of a sweep are retried once."""
    check_device(device)
    store.save_plan(plan)
    recipes = [step.recipe for step in plan.steps]
    return submit(recipes, device, retries=1 if plan.kind == "sweep" else 0)


def cancel(run_id: str) -> Run:
    """Ask a run to stop; it keeps its checkpoint and can be resumed."""
    run = store.get(run_id)
    if run.state is State.DONE:
        raise BadInput(f"Run {run.id} is done.", "There is nothing to cancel.")
    cancel_all([run])
    return store.get(run.id)


def cancel_plan(plan: Plan) -> None:
    """Ask every unfinished run of a plan to stop."""
    runs = store.several(step.recipe.run_id for step in plan.steps)
    cancel_all(run for run in runs.values() if run.state in UNFINISHED)


def cancel_all(runs: Iterable[Run]) -> None:
    """Ask runs to stop, all at once: none begins because another one ends."""
    asked = list(runs)
    store.ask_to_cancel(*(run.id for run in asked))
    for run in asked:
        if run.state is State.RUNNING and run.pid:
            with suppress(ProcessLookupError):  # it may end between the look and the signal
                os.kill(run.pid, signal.SIGTERM)


def resume(run_id: str, device: str | None = None) -> Run:
    """Queue a stopped run again, after whatever unfinished runs it starts from."""
    run = store.get(run_id)
    if run.state is State.DONE:
        raise BadInput(f"Run {run.id} is done.", "There is nothing to resume.")
    for needed in store.several(run.recipe.needs).values():
        if needed.state in RESUMABLE:
            resume(needed.id, device)
    if run.state in RESUMABLE:
        store.requeue(run.id, device)
    forget_trouble()
    wake()
    return store.get(run.id)


def blocker(run: Run) -> Run | None:
    """The run that keeps a queued one from starting because it stopped, if there is one."""
    for needed in store.several(run.recipe.needs).values():
        if needed.state in RESUMABLE:
            return needed
        deeper = blocker(needed) if needed.state is State.QUEUED else None
        if deeper:
            return deeper
    return None


def wake() -> None:
    """Start a queue process; it leaves at once where another one is at work."""
    detached("sparsekd.scheduler.run_queue", store.home() / "queue.log")


def wake_if_asleep() -> None:
    """Start a queue process where runs wait and none is at work, as after a crash."""
    if not store.queued() or locks.is_locked(queue_lock()):
        return
    log = store.home() / "queue.log"
    woken = log.stat().st_mtime if log.exists() else 0.0
    if abs(time.time() - woken) > GRACE:  # one that was woken just now is still loading
        wake()


def trouble() -> Unavailable | None:
    """Why the queue cannot start anything, as where a cluster does not answer; None if it can."""
    try:
        return Unavailable(**json.loads(_trouble().read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def note_trouble(error: SparseKDError) -> None:
    """Leave word for those who wait, until something is submitted or the queue starts again."""
    text = json.dumps({"message": error.message, "hint": error.hint})
    replace(_trouble(), lambda path: path.write_text(text, encoding="utf-8"))


def forget_trouble() -> None:
    """It is tried anew."""
    _trouble().unlink(missing_ok=True)


def _trouble() -> Path:
    return store.home() / "queue.trouble.json"


def queue_lock() -> Path:
    """Held by the one queue process of this store."""
    return store.home() / QUEUE_LOCK


# --- devices ---------------------------------------------------------------------------------


def devices(look: bool = True) -> list[Device]:
    """The devices of this machine, the fastest first; found once by a process that loads torch.

    With `look` false, an answer at once: where nobody has looked yet, the processor alone.
    """
    path = store.home() / "devices.json"
    if look and not path.exists():
        look_for_devices()
    if not path.exists():
        return [Device("cpu", processor())]
    return [Device(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]


def look_for_devices() -> list[Device]:
    """Ask torch, in a process of its own, what this machine has, and remember it.

    Raises:
        Unavailable: torch does not load here.
    """
    command = [sys.executable, "-m", "sparsekd", "devices", "--json"]
    place = Path(__file__).parents[2]
    answer = subprocess.run(command, capture_output=True, text=True, cwd=place, check=False)
    if answer.returncode:
        lines = answer.stderr.strip().splitlines()
        raise Unavailable(
            f"torch does not load: {lines[-1] if lines else 'no message'}",
            "Reinstall it: pip install -r requirements.txt",
        )
    found = [Device(**entry) for entry in json.loads(answer.stdout)]
    text = json.dumps([asdict(device) for device in found])
    replace(store.home() / "devices.json", lambda path: path.write_text(text, encoding="utf-8"))
    return found


def check_device(name: str) -> None:
    """Refuse a device that this machine does not have."""
    if name == "auto":
        return
    names = [device.name for device in devices()]
    if name not in names:
        raise unknown("device", name, [*names, "auto"])


def processor() -> str:
    """This machine's processor in words."""
    cores = os.cpu_count() or 1
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        model = next((line.split(":")[1].strip() for line in lines if "model name" in line), model)
    return f"{model}, {cores} cores"
