"""The inspector's server: a thread per connection reads requests, the main thread handles them.

So a model serves one request at a time, and no request sees another's mask. Only the main thread
can be interrupted by a time limit.
"""

import json
import os
import secrets
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from typing import Any

from sparsekd.errors import SparseKDError, Unavailable
from sparsekd.inspector import client
from sparsekd.inspector.protocol import Request, parse
from sparsekd.inspector.server.handlers import handle
from sparsekd.inspector.server.model_cache import ModelCache
from sparsekd.system import locks
from sparsekd.system.files import atomic_write

IDLE = 600.0
LIMIT = 60.0
TICK = 0.25  # seconds between two status messages to a waiting client
MAX_REQUEST = 8 << 20  # bytes
MAX_CACHE = 512 << 20  # bytes of cached responses

Message = dict[str, Any]


class TimeLimit(Unavailable):
    """A request took longer than its time limit."""


@dataclass
class Job:
    """A queued request and the message that will answer it."""

    request: Request
    reply: "Future[Message]" = field(default_factory=Future)


def serve(idle: float = IDLE, limit: float = LIMIT) -> None:
    """Serve this store's requests; return after `idle` seconds without one.

    Raises:
        BadInput: another inspector serves this store.
    """
    with locks.hold_lock(client.lock_path(), "Another inspector is running."):
        key = secrets.token_bytes(32)
        with Listener(authkey=key) as listener:
            _publish(str(listener.address), key)
            jobs: Queue[Job] = Queue()
            Thread(target=_listen, args=(listener, jobs), daemon=True).start()
            try:
                _work(jobs, ModelCache(), idle, limit)
            finally:
                client.address_path().unlink(missing_ok=True)


def _publish(address: str, key: bytes) -> None:
    text = json.dumps({"address": address, "key": key.hex(), "pid": os.getpid()})

    def write(path: Path) -> None:
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")

    atomic_write(client.address_path(), write)


# --- connections -----------------------------------------------------------------------------


def _listen(listener: Listener, jobs: "Queue[Job]") -> None:
    while True:
        try:
            connection = listener.accept()
        except client.DISCONNECTED:  # without the key, or closed again
            continue
        Thread(target=_converse, args=(connection, jobs), daemon=True).start()


def _converse(connection: Connection, jobs: "Queue[Job]") -> None:
    """Read one request and reply to it; the job is cancelled when the client disconnects."""
    with connection, suppress(*client.DISCONNECTED):
        try:
            job = Job(parse(connection.recv_bytes(MAX_REQUEST).decode("utf-8", "replace")))
        except SparseKDError as error:
            connection.send_bytes(_bytes(_error(error)))
            return
        jobs.put(job)
        while True:
            with suppress(TimeoutError):
                connection.send_bytes(_bytes(job.reply.result(timeout=TICK)))
                return
            if connection.poll():  # a client sends one request alone: it has disconnected
                job.reply.cancel()
                return
            connection.send_bytes(_bytes({"waiting": _status(job, jobs)}))


def _status(job: Job, jobs: "Queue[Job]") -> str:
    if job.reply.running():
        return "Computing"
    return f"Waiting: {jobs.qsize()} in the queue"


def _bytes(message: Message) -> bytes:
    return json.dumps(message).encode()


def _error(error: SparseKDError) -> Message:
    kind = "Unavailable" if isinstance(error, TimeLimit) else type(error).__name__
    return {"error": {"kind": kind, "message": error.message, "hint": error.hint}}


# --- main thread -----------------------------------------------------------------------------


def _work(jobs: "Queue[Job]", cache: ModelCache, idle: float, limit: float) -> None:
    while (job := _next(jobs, idle)) is not None:
        if job.reply.set_running_or_notify_cancel():
            job.reply.set_result(_reply(job.request, cache, limit))


def _next(jobs: "Queue[Job]", idle: float) -> Job | None:
    """Return the next job; None when there was none for `idle` seconds.

    The wait is cut into ticks because a signal that another thread receives does not end it.
    """
    deadline = time.monotonic() + idle
    while (left := deadline - time.monotonic()) > 0:
        with suppress(Empty):
            return jobs.get(timeout=min(left, TICK))
    return None


def _reply(request: Request, cache: ModelCache, limit: float) -> Message:
    """Compute and cache the response, unless it is cached; return the closing message."""
    start = time.monotonic()
    try:
        path = client.cached_path(request)
        if not path.exists():
            with _time_limit(limit):
                response = handle(request, cache)
            response.save(path)
            trim_cache(MAX_CACHE)
    except TimeLimit as error:
        cache.clear()
        return _error(error)
    except SparseKDError as error:
        return _error(error)
    except Exception as bug:  # noqa: BLE001 (any error is reported to the client)
        traceback.print_exc()
        cache.clear()
        text = f"{type(bug).__name__}: {bug}"
        return _error(SparseKDError(text, f"{client.log_path()} has the traceback."))
    sys.stderr.write(f"{request.kind} {time.monotonic() - start:.3f} s\n")
    sys.stderr.flush()
    return {"done": True}


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Interrupt the main thread after some seconds.

    Raises:
        TimeLimit: the time is over.
    """

    def interrupt(*_: Any) -> None:
        raise TimeLimit(
            f"The request took longer than {seconds:g} seconds.",
            "Use a shorter text, fewer examples or a smaller model.",
        )

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def trim_cache(max_bytes: int) -> None:
    """Delete the oldest cached responses until the rest fits into `max_bytes`."""
    files = [(file.stat(), file) for file in client.cache_folder().glob("*.npz")]
    files.sort(key=lambda each: each[0].st_mtime, reverse=True)
    total = 0
    for facts, file in files:
        total += facts.st_size
        if total > max_bytes:
            file.unlink(missing_ok=True)
