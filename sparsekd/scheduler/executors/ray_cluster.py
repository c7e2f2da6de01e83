"""Workers on the nodes of a Ray cluster; this process alone writes the catalogue."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from sparsekd.errors import SparseKDError, Unavailable
from sparsekd.runs import store
from sparsekd.runs.records import Run, State
from sparsekd.scheduler.executors import Place, node, payloads
from sparsekd.scheduler.executors.node import RunEnd, RunUpdate
from sparsekd.scheduler.executors.ray_connection import connect, first_line, gpu_share, load_ray
from sparsekd.scheduler.executors.share import Share

UPDATES_TIMEOUT = 60.0  # seconds in which the updates must come


@dataclass
class RayTask:
    """The runs of a task of the cluster, the place that they count for, and their locks."""

    runs: Sequence[Run]
    place: str
    locks: ExitStack

    @property
    def names(self) -> set[str]:
        """Return the ids of the runs."""
        return {run.id for run in self.runs}


class RayExecutor:
    """One Ray task per worker; Ray chooses the node, and another one where a node dies."""

    def __init__(self) -> None:
        self.ray = load_ray()
        self.gpu_share = gpu_share()
        self.share = Share(os.environ.get("SPARSEKD_SHARE") or str(store.home().absolute()))
        self.share.open()
        connect(self.ray)
        context = self.ray.get_runtime_context()
        pinned = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            context.get_node_id(), soft=False
        )
        # On the driver's own node: updates survive the death of any other node.
        options = {"num_cpus": 0, "scheduling_strategy": pinned}
        self.updates = self.ray.remote(Updates).options(**options).remote()
        self.tasks: dict[Any, RayTask] = {}
        self.gone: dict[str, str] = {}
        self.started: set[str] = set()

    def places(self) -> list[Place]:
        """Return the cluster's GPUs, each with a slot per share of a GPU, and its cores."""
        resources = self.ray.cluster_resources()
        gpus, slots = int(resources.get("GPU", 0)), int(1 / self.gpu_share)
        found = [Place(f"cuda:{number}", slots) for number in range(gpus)]
        return [*found, Place("cpu", max(1, int(resources.get("CPU", 1))))]

    def start(self, runs: Sequence[Run], place: str, slots: int, memory: int = 0) -> None:
        """Send a task; runs that cannot be sent have failed. The cluster shares its GPUs itself."""
        locks = ExitStack()
        try:
            for run in runs:
                locks.enter_context(store.hold_lock(run.id))
            payload = payloads.prepare(runs, self.share)
        except SparseKDError as error:
            for run in runs:
                store.finish(run.id, State.FAILED, node.failure(error), 0.0)
                self.gone[run.id] = ""
            locks.close()
            return
        self.updates.clear_stops.remote([run.id for run in runs])
        remote = self.ray.remote(_execute).options(max_retries=1, **self._needs(place, slots))
        device = "cpu" if place == "cpu" else "cuda:0"  # the only one that Ray lets it see
        task = remote.remote(payload, self.share, device, self._cores(slots), self.updates)
        self.tasks[task] = RayTask(runs, place, locks)

    def ended(self) -> dict[str, str]:
        """Write the nodes' updates, and return the runs whose task has ended, with how it died.

        Raises:
            Unavailable: the cluster is gone.
        """
        try:
            tasks = list(self.tasks)
            done, _ = self.ray.wait(tasks, num_returns=len(tasks), timeout=0) if tasks else ([], [])
            self.write(self.ray.get(self.updates.take.remote(), timeout=UPDATES_TIMEOUT))
        except self.ray.exceptions.RayError as error:
            raise Unavailable(
                f"The Ray cluster no longer answers: {first_line(error)}",
                "Start it again, then resume the runs: each goes on from its last checkpoint.",
            ) from error
        for task in done:
            self.gone |= self._collect(task)
        gone, self.gone = self.gone, {}
        return gone

    def write(self, updates: Sequence[RunUpdate]) -> None:
        """Write updates to the catalogue, in one transaction.

        Updates of runs that have ended are late and dropped. Those of a run that still waits for
        its worker would show the progress of its last attempt, and are dropped too.
        """
        places = {name: task.place for task in self.tasks.values() for name in task.names}
        current = [update for update in updates if update.run_id in places]
        for update in current:
            if update.since is not None:
                store.delete_events_after(update.run_id, update.since)
        current = [update for update in current if update.state is not State.QUEUED]
        for run_id in {update.run_id for update in current} - self.started:
            self.started.add(run_id)
            store.start(run_id, places[run_id], 0)  # no process of this machine
        if current:
            store.report_all((each.run_id, each.progress, each.events) for each in current)

    def cancel(self, run_id: str) -> None:
        """Request a stop, which the next update of the node returns."""
        self.updates.stop.remote(run_id)

    def close(self) -> None:
        """Leave the cluster; one that was started here ends."""
        for task in self.tasks.values():
            task.locks.close()
        self.ray.shutdown()

    def _needs(self, place: str, slots: int) -> dict[str, Any]:
        if place != "cpu":
            return {"num_gpus": self.gpu_share * slots, "num_cpus": 1}
        return {"num_cpus": self._cores(slots)}

    def _cores(self, slots: int) -> int:
        """Return as many cores as slots, but no more than the largest node has."""
        nodes = [each["Resources"] for each in self.ray.nodes() if each["Alive"]]
        return min(slots, max([1, *(int(each.get("CPU", 1)) for each in nodes)]))

    def _collect(self, reference: Any) -> dict[str, str]:
        """Write the ends of a task's runs, and return how the worker of each died."""
        task = self.tasks[reference]
        ends: dict[str, RunEnd] = {}
        died = ""
        try:
            ends = self.ray.get(reference)
        except self.ray.exceptions.RayError as error:
            died = first_line(error)
        self.write([end.last for end in ends.values() if end.last is not None])
        for run_id, end in ends.items():
            self._finish(run_id, end)
        del self.tasks[reference]
        self.started -= task.names
        task.locks.close()  # a run without a written end now reads as interrupted
        return {run.id: ends[run.id].how if run.id in ends else died for run in task.runs}

    def _finish(self, run_id: str, end: RunEnd) -> None:
        state, outcome = end.state, end.outcome
        try:
            payloads.fetch_results(run_id, self.share)
        except SparseKDError as error:
            state, outcome = State.FAILED, node.failure(error)
        if state in (State.DONE, State.FAILED, State.CANCELLED):
            store.finish(run_id, state, outcome, end.seconds)


class Updates:
    """An actor that keeps nodes' updates until the driver reads them, and requests to stop."""

    def __init__(self) -> None:
        self.waiting: list[RunUpdate] = []
        self.stopping: set[str] = set()

    def send(self, updates: list[RunUpdate]) -> set[str]:
        """Add updates, and return which of their runs were requested to stop."""
        self.waiting += updates
        return self.stopping & {update.run_id for update in updates}

    def take(self) -> list[RunUpdate]:
        """Return all updates since the last call."""
        updates, self.waiting = self.waiting, []
        return updates

    def stop(self, run_id: str) -> None:
        """Request that a run stops."""
        self.stopping.add(run_id)

    def clear_stops(self, run_ids: Sequence[str]) -> None:
        """Forget earlier requests to stop these runs."""
        self.stopping -= set(run_ids)


def _execute(
    payload: payloads.Payload, share: Share, device: str, slots: int, updates: Any
) -> dict[str, RunEnd]:
    """Execute a payload on the node; the function of the Ray task."""
    ray = load_ray()

    def send(new: list[RunUpdate]) -> set[str]:
        stopping: set[str] = ray.get(updates.send.remote(new))
        return stopping

    home = node.scratch(ray.get_runtime_context().get_node_id())
    return node.execute(payload, share, device, slots, send, home)
