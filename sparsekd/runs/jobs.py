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
from sparsekd.runs import label_checks, model_checks, peak_memory, permission, store
from sparsekd.runs.records import RESUMABLE, UNFINISHED, Plan, Recipe, Run, State
from sparsekd.runs.schema import QUEUE_LOCK
from sparsekd.system import locks
from sparsekd.system.files import atomic_write
from sparsekd.system.processes import spawn_detached

GRACE = 15.0  # seconds that a queue process may take to begin


@dataclass(frozen=True)
class Device:
    """A device: torch's name for it, a description, and its memory in bytes (0: unknown)."""

    name: str
    words: str
    memory: int = 0


# --- submit, cancel, resume ------------------------------------------------------------------


def submit(recipes: Iterable[Recipe], device: str = "auto", retries: int = 0) -> list[Run]:
    """Queue recipes and return their runs at once.

    Finished and running runs stay as they are; those that failed or stopped are queued again.
    `retries` is how often each is retried after a failure that is not lasting.
    """
    permission.check()
    asked = list(recipes)
    every = _with_read(asked)
    with store.reading(None):
        _check(every, device)
        return _queue(every, device, retries)[-len(asked) :] if asked else []


def submit_plan(plan: Plan, device: str = "auto") -> list[Run]:
    """Save a plan and queue its runs; those of a sweep are retried once."""
    permission.check()
    recipes = _with_read(step.recipe for step in plan.steps)
    with store.reading(None):
        _check(recipes, device)
        if not plan.name:  # one that was requested
            store.save_plan(plan)
        return _queue(recipes, device, retries=1 if plan.kind == "sweep" else 0)


def _with_read(recipes: Iterable[Recipe]) -> list[Recipe]:
    """Return the recipes after those that they need of the store that is read, if not one's own.

    Nothing in one's own store depends on another: what was trained there is trained anew here.
    """
    wanted = list(recipes)
    if store.home() == store.own_home():
        return wanted
    known = {recipe.run_id for recipe in wanted}
    before: list[Recipe] = []
    open_ends = [name for recipe in wanted for name in recipe.needs if name not in known]
    while open_ends:
        found = store.get_many(open_ends).values()
        before = [run.recipe for run in found] + [r for r in before if r.run_id not in open_ends]
        open_ends = [name for run in found for name in run.recipe.needs]
    return [*before, *wanted]


def _check(recipes: list[Recipe], device: str) -> None:
    """Refuse a device or labels that are not there, texts too long, and runs that cannot fit."""
    store.check_own()
    check_device(device)
    model_checks.check(recipes)
    label_checks.check(recipes)
    check_memory(recipes, device)


def _queue(recipes: Iterable[Recipe], device: str, retries: int) -> list[Run]:
    wanted = {recipe.run_id: recipe for recipe in recipes}
    store.create_all(wanted.values(), device, retries)
    runs = store.get_many(wanted)
    stopped = [name for name in wanted if runs[name].state in RESUMABLE]
    store.requeue_all(stopped, device, retries)
    clear_queue_error()
    start_queue()
    found = store.get_many(wanted)
    return [found[name] for name in wanted]


def cancel(run_id: str) -> Run:
    """Stop a run; it keeps its checkpoint and can be resumed."""
    run = store.get(run_id)
    if run.state is State.DONE:
        raise BadInput(f"Run {run.id} is done.", "There is nothing to cancel.")
    cancel_all([run])
    return store.get(run.id)


def cancel_plan(plan: Plan) -> None:
    """Stop every unfinished run of a plan."""
    runs = store.get_many(step.recipe.run_id for step in plan.steps)
    cancel_all(run for run in runs.values() if run.state in UNFINISHED)


def cancel_all(runs: Iterable[Run]) -> None:
    """Stop runs, all at once: none begins because another one ends."""
    stopping = list(runs)
    store.request_cancel(*(run.id for run in stopping))
    for run in stopping:
        if run.state is State.RUNNING and run.pid:
            with suppress(ProcessLookupError):  # it may have ended since it was read
                os.kill(run.pid, signal.SIGTERM)


def resume(run_id: str, device: str | None = None) -> Run:
    """Queue a stopped run again, after the stopped runs that it needs."""
    run = store.get(run_id)
    if run.state is State.DONE:
        raise BadInput(f"Run {run.id} is done.", "There is nothing to resume.")
    for needed in store.get_many(run.recipe.needs).values():
        if needed.state in RESUMABLE:
            resume(needed.id, device)
    if run.state in RESUMABLE:
        store.requeue(run.id, device)
    clear_queue_error()
    start_queue()
    return store.get(run.id)


def blocking_run(run: Run) -> Run | None:
    """Return the stopped run that a queued one waits for, if there is one."""
    for needed in store.get_many(run.recipe.needs).values():
        if needed.state in RESUMABLE:
            return needed
        deeper = blocking_run(needed) if needed.state is State.QUEUED else None
        if deeper:
            return deeper
    return None


def start_queue() -> None:
    """Start a queue process; it ends at once where another one is running."""
    spawn_detached("sparsekd.scheduler.run_queue", store.own_home(), "queue.log")


def start_queue_if_idle() -> None:
    """Start a queue process where runs wait and none is running, as after a crash."""
    with store.reading(None):
        waiting = bool(store.queued())
    if not waiting or locks.is_locked(queue_lock()):
        return
    log = store.own_home() / "queue.log"
    started = log.stat().st_mtime if log.exists() else 0.0
    if abs(time.time() - started) > GRACE:  # one that was started just now is still loading
        start_queue()


def queue_error() -> Unavailable | None:
    """Return why the queue cannot start runs: no cluster answers, for example; None if it can."""
    try:
        return Unavailable(**json.loads(_error_file().read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def save_queue_error(error: SparseKDError) -> None:
    """Save an error of the queue until a run is submitted or the queue starts again."""
    text = json.dumps({"message": error.message, "hint": error.hint})
    atomic_write(_error_file(), lambda path: path.write_text(text, encoding="utf-8"))


def clear_queue_error() -> None:
    """Delete the saved error of the queue."""
    _error_file().unlink(missing_ok=True)


def _error_file() -> Path:
    return store.own_home() / "queue.trouble.json"


def queue_lock() -> Path:
    """Return the lock file that the one queue process of this store holds."""
    return store.own_home() / QUEUE_LOCK


# --- devices ---------------------------------------------------------------------------------


def devices(detect: bool = True) -> list[Device]:
    """Return the devices of this machine, the fastest first.

    They are detected once, by a process that loads torch. Without `detect` this takes no time:
    before the first detection the processor alone is returned.
    """
    path = store.own_home() / "devices.json"
    entries = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    # An earlier version saved no memory.
    if detect and not all("memory" in entry for entry in entries or [{}]):
        return detect_devices()
    return [Device(**entry) for entry in entries] or [processor()]


def detect_devices() -> list[Device]:
    """Detect the devices of this machine in a process that loads torch, and save them.

    Raises:
        Unavailable: torch does not load here.
    """
    permission.check()
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
    atomic_write(
        store.own_home() / "devices.json", lambda path: path.write_text(text, encoding="utf-8")
    )
    return found


def check_device(name: str) -> None:
    """Check that this machine has a device.

    Raises:
        NotFound: it has not.
    """
    if name == "auto":
        return
    names = [device.name for device in devices()]
    if name not in names:
        raise unknown("device", name, [*names, "auto"])


def likely_device(name: str) -> Device:
    """Return the device of this name; for "auto", that with the most memory of those it may be."""
    found = devices(detect=False)
    able = [one for one in found if one.name == name]
    able = able or [one for one in found if one.name != "cpu"] or found
    return max(able, key=lambda one: one.memory)


def check_memory(recipes: Iterable[Recipe], device: str) -> None:
    """Refuse new runs that cannot fit a device's memory.

    Raises:
        BadInput: one of them cannot, with the parameters that lower its peak.
    """
    on = likely_device(device)
    if on.memory and os.environ.get("SPARSEKD_EXECUTOR", "local") == "local":
        wanted = {recipe.run_id: recipe for recipe in recipes}
        runs = store.get_many(wanted)
        done = {name for name, run in runs.items() if run.state is State.DONE}
        new = [recipe for name, recipe in wanted.items() if name not in done]
        peak_memory.check_fit(new, on.name, on.memory)


def processor() -> Device:
    """Return this machine's processor, with the memory of the machine."""
    memory = 0
    if "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Device("cpu", describe_processor(), memory)


def describe_processor() -> str:
    """Return this machine's processor in words."""
    cores = os.cpu_count() or 1
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        model = next((line.split(":")[1].strip() for line in lines if "model name" in line), model)
    return f"{model}, {cores} cores"
