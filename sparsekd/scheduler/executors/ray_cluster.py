"""Workers on the nodes of a Ray cluster; this process alone writes the catalogue."""

import importlib
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from sparsekd.errors import BadInput, SparseKDError, Unavailable
from sparsekd.runs import store
from sparsekd.runs.records import Run, State
from sparsekd.scheduler.executors import Place, node, parcels
from sparsekd.scheduler.executors.local import cores
from sparsekd.scheduler.executors.node import Ended, Letter
from sparsekd.scheduler.executors.share import Share

PATIENCE = 10.0  # seconds in which something must listen; four times that, for Ray to answer
LETTERS = 60.0  # seconds in which the letters must come
JOIN = "import ray, sys; ray.init(sys.argv[1], logging_level='ERROR', log_to_driver=False)"
STORE = 100 * 2**20  # bytes of Ray's own memory: only letters go through it
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}


@dataclass
class Out:
    """Runs that a task of the cluster is at, the place that they count for, and their locks."""

    runs: Sequence[Run]
    place: str
    locks: ExitStack


class RayExecutor:
    """One Ray task per worker; Ray chooses the node, and another one where a node dies."""

    def __init__(self) -> None:
        self.ray = _ray()
        self.gpu_share = _gpu_share(os.environ.get("SPARSEKD_GPU_SHARE") or "1")
        self.share = Share(os.environ.get("SPARSEKD_SHARE") or str(store.home().absolute()))
        self.share.open()
        _connect(self.ray)
        context = self.ray.get_runtime_context()
        pinned = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            context.get_node_id(), soft=False
        )
        # On the driver's own node: no other node's death takes the letters with it.
        options = {"num_cpus": 0, "scheduling_strategy": pinned}
        self.mail = self.ray.remote(Mailbox).options(**options).remote()
        self.out: dict[Any, Out] = {}
        self.gone: dict[str, str] = {}
        self.begun: set[str] = set()

    def places(self) -> list[Place]:
        """The cluster's GPUs, each for as many runs as the share of a GPU allows, and its cores."""
        resources = self.ray.cluster_resources()
        gpus, slots = int(resources.get("GPU", 0)), int(1 / self.gpu_share)
        found = [Place(f"cuda:{number}", slots) for number in range(gpus)]
        return [*found, Place("cpu", max(1, int(resources.get("CPU", 1))))]

    def begin(self, runs: Sequence[Run], place: str, slots: int) -> None:
        """Send a task; a run that cannot be sent has failed."""
        locks = ExitStack()
        try:
            for run in runs:
                locks.enter_context(store.hold_lock(run.id))
            parcel = parcels.send(runs, self.share)
        except SparseKDError as error:
            for run in runs:
                store.finish(run.id, State.FAILED, node.failure(error), 0.0)
                self.gone[run.id] = ""
            locks.close()
            return
        self.mail.welcome.remote([run.id for run in runs])
        task = self.ray.remote(_attend).options(max_retries=1, **self._needs(place, slots))
        device = "cpu" if place == "cpu" else "cuda:0"  # the only one that Ray lets it see
        threads = self._cores(slots)
        self.out[task.remote(parcel, self.share, device, threads, self.mail)] = Out(
            runs, place, locks
        )

    def ended(self) -> dict[str, str]:
        """Write what the nodes have told, and what has ended since the last look."""
        try:
            tasks = list(self.out)
            done, _ = self.ray.wait(tasks, num_returns=len(tasks), timeout=0) if tasks else ([], [])
            self.note(self.ray.get(self.mail.take.remote(), timeout=LETTERS))
        except self.ray.exceptions.RayError as error:
            raise Unavailable(
                f"The Ray cluster no longer answers: {_first_line(error)}",
                "Start it again, then resume the runs: each goes on from its last checkpoint.",
            ) from error
        for task in done:
            self.gone |= self._harvest(task)
        gone, self.gone = self.gone, {}
        return gone

    def note(self, letters: Sequence[Letter]) -> None:
        """Write letters into the catalogue, all at once.

        Those of runs that have ended are late; what waits for its worker may still show how far
        it was the last time.
        """
        places = {name: out.place for out in self.out.values() for name in _ids(out)}
        current = [each for each in letters if each.run_id in places]
        for each in current:
            if each.since is not None:
                store.delete_events_after(each.run_id, each.since)
        current = [each for each in current if each.state is not State.QUEUED]
        for run_id in {each.run_id for each in current} - self.begun:
            self.begun.add(run_id)
            store.start(run_id, places[run_id], 0)  # no process of this machine
        if current:
            store.report_all((each.run_id, each.progress, each.events) for each in current)

    def cancel(self, run_id: str) -> None:
        """The next letter of its node is answered with it."""
        self.mail.stop.remote(run_id)

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        for out in self.out.values():
            out.locks.close()
        self.ray.shutdown()

    def _needs(self, place: str, slots: int) -> dict[str, Any]:
        if place != "cpu":
            return {"num_gpus": self.gpu_share * slots, "num_cpus": 1}
        return {"num_cpus": self._cores(slots)}

    def _cores(self, slots: int) -> int:
        """No task is larger than the largest node."""
        nodes = [each["Resources"] for each in self.ray.nodes() if each["Alive"]]
        return min(slots, max([1, *(int(each.get("CPU", 1)) for each in nodes)]))

    def _harvest(self, task: Any) -> dict[str, str]:
        out = self.out[task]
        try:
            told: dict[str, Ended] = self.ray.get(task)
        except self.ray.exceptions.RayError as error:
            told = {}
            how = _first_line(error)
        self.note([end.last for end in told.values() if end.last is not None])
        for run_id, end in told.items():
            self._finish(run_id, end)
        del self.out[task]
        self.begun -= _ids(out)
        out.locks.close()  # what is not written as ended now reads as interrupted
        return {run.id: told[run.id].how if run.id in told else how for run in out.runs}

    def _finish(self, run_id: str, end: Ended) -> None:
        state, outcome = end.state, end.outcome
        try:
            parcels.fetch_back(run_id, self.share)
        except SparseKDError as error:
            state, outcome = State.FAILED, node.failure(error)
        if state in (State.DONE, State.FAILED, State.CANCELLED):
            store.finish(run_id, state, outcome, end.seconds)


class Mailbox:
    """Letters from nodes, until the driver reads them; and the runs that should stop."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.stopping: set[str] = set()

    def tell(self, letters: list[Letter]) -> set[str]:
        """Leave letters; the answer names the runs that should stop."""
        self.letters += letters
        return self.stopping & {letter.run_id for letter in letters}

    def take(self) -> list[Letter]:
        """All letters since the last time."""
        letters, self.letters = self.letters, []
        return letters

    def stop(self, run_id: str) -> None:
        """Answer the run's next letter with it."""
        self.stopping.add(run_id)

    def welcome(self, run_ids: Sequence[str]) -> None:
        """These begin, whatever was asked of them before."""
        self.stopping -= set(run_ids)


def _attend(
    parcel: parcels.Parcel, share: Share, device: str, slots: int, mail: Any
) -> dict[str, Ended]:
    """What the node does."""
    ray = _ray()

    def tell(letters: list[Letter]) -> set[str]:
        answer: set[str] = ray.get(mail.tell.remote(letters))
        return answer

    home = node.scratch(ray.get_runtime_context().get_node_id())
    return node.attend(parcel, share, device, slots, tell, home)


def _ray() -> Any:
    """Ray itself: large, and not everybody's."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        importlib.import_module("ray.util.scheduling_strategies")
        return importlib.import_module("ray")
    except ModuleNotFoundError as error:
        raise Unavailable(
            "Ray is not installed.",
            'Install it with pip install "ray==2.60.*", or unset SPARSEKD_EXECUTOR.',
        ) from error


def _connect(ray: Any) -> None:
    """Join the cluster at RAY_ADDRESS, or start one of this machine alone.

    Raises:
        Unavailable: nothing answers there.
    """
    address = os.environ.get("RAY_ADDRESS") or ""
    quiet = {"log_to_driver": False, "logging_level": "ERROR", "namespace": "sparsekd"}
    if not address:
        alone = {"num_cpus": cores(), "include_dashboard": False, "object_store_memory": STORE}
        ray.init(address="local", _node_ip_address="127.0.0.1", **alone, **quiet)
        return
    _knock(address)
    try:
        ray.init(address=address, **quiet)
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise _silent(address, _first_line(error)) from error


def _knock(address: str) -> None:
    """See that somebody listens, before Ray waits for minutes."""
    if "://" in address:
        raise BadInput(
            f"RAY_ADDRESS is {address}.",
            "Name the head as host:port, and start the study on a machine of the cluster.",
        )
    host, _, port = address.rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdigit():
        raise BadInput(f"RAY_ADDRESS is {address!r}.", "Write it like 10.0.0.1:6379, or auto.")
    try:
        socket.create_connection((host, int(port)), timeout=PATIENCE).close()
        # Whoever listens may be no cluster, and then Ray asks it for minutes.
        command = [sys.executable, "-c", JOIN, address]
        subprocess.run(command, capture_output=True, check=True, text=True, timeout=4 * PATIENCE)
    except (OSError, OverflowError) as error:
        raise _silent(address, str(error)) from error
    except subprocess.CalledProcessError as error:
        raise _silent(address, error.stderr.strip().splitlines()[-1]) from error
    except subprocess.TimeoutExpired as error:
        raise _silent(address, f"not within {4 * PATIENCE:.0f} s") from error


def _silent(address: str, why: str) -> Unavailable:
    return Unavailable(
        f"No Ray cluster answers at {address}: {why.rstrip('.')}.",
        "Start its head with ray start --head, and correct RAY_ADDRESS; or unset "
        "SPARSEKD_EXECUTOR to work on this machine alone.",
    )


def _gpu_share(text: str) -> float:
    """SPARSEKD_GPU_SHARE: the part of a GPU that a run asks for."""
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share <= 1:
        raise BadInput(
            f"SPARSEKD_GPU_SHARE is {text!r}.", "Write a number above 0, up to 1, like 0.25."
        )
    return share


def _ids(out: Out) -> set[str]:
    return {run.id for run in out.runs}


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
