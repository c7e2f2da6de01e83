"""Client of the inspector, the process that keeps models loaded; responses are cached by key.

The client starts the inspector where none runs; the inspector exits when idle. A cached response
needs no inspector.
"""

import json
import multiprocessing
import time
from collections.abc import Callable
from multiprocessing.connection import Client, Connection
from pathlib import Path
from typing import Any, TypeVar, cast

from sparsekd import errors
from sparsekd.errors import NotFound, SparseKDError, Unavailable
from sparsekd.inspector.protocol import Request, Response
from sparsekd.runs import store
from sparsekd.system import locks
from sparsekd.system.files import disk_error
from sparsekd.system.processes import spawn_detached

START_TIMEOUT = 90.0  # seconds; importing torch on a busy machine takes long
TIMEOUT = 180.0  # seconds until a request is given up
POLL = 0.05  # seconds
LOG = "inspector.log"
ATTEMPTS = 2  # inspectors that may die over one request
DISCONNECTED: tuple[type[Exception], ...] = (
    OSError,
    EOFError,
    multiprocessing.AuthenticationError,
)

OnWait = Callable[[str], None]
R = TypeVar("R", bound=Response)


def send(request: Request, response_type: type[R], on_wait: OnWait | None = None) -> R:
    """Return the response to a request: from the cache, otherwise from the inspector.

    Args:
        response_type: The response type of this kind of request.
        on_wait: Called several times a second with a status; an exception ends the wait.

    Raises:
        SparseKDError: the inspector refuses the request.
        NotFound: the model or its files are gone.
        Unavailable: the inspector does not start, has died twice, or takes too long.
    """
    if request.response is not response_type:
        raise TypeError(f"The response to a {request.kind} request is {request.response.__name__}.")
    path = cached_path(request)
    if not path.exists():
        _request(request, on_wait or (lambda status: None))
    return response_type.load(path)


def cached_path(request: Request) -> Path:
    """Return the file of the cached response, which may not exist yet.

    Raises:
        NotFound: a model of the request, or its files, are gone.
    """
    key = request.key(tuple(fingerprint(model) for model in request.models))
    return cache_folder() / f"{key}.npz"


def fingerprint(reference: str) -> str:
    """Return a text that changes when the weights of a model are rewritten.

    Raises:
        NotFound: no such run or folder, or its weights are gone.
    """
    kind, _, rest = reference.partition(":")
    if kind == "hub":
        return ""
    if kind == "folder":
        folder = Path(rest.rpartition("#")[0])
    else:
        folder = store.get(reference).folder / "model"
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise NotFound(
            f"The model in {folder} is gone.",
            "Its files were deleted or moved: train it again, or choose another model.",
        )
    try:
        facts = [file.stat() for file in weights]
    except OSError as error:
        raise disk_error(folder, error) from error
    return " ".join(f"{each.st_mtime_ns}-{each.st_size}" for each in facts)


# --- files -----------------------------------------------------------------------------------


def cache_folder() -> Path:
    """Return the folder of cached responses."""
    return store.home() / "cache" / "answers"


def lock_path() -> Path:
    """Return the lock file that the inspector of this store holds."""
    return store.home() / "inspector.lock"


def address_path() -> Path:
    """Return the file with the inspector's address and key; its owner alone can read it."""
    return store.home() / "inspector.json"


def log_path() -> Path:
    """Return the inspector's log file."""
    return store.home() / LOG


def is_running() -> bool:
    """Return whether an inspector serves this store."""
    return locks.is_locked(lock_path())


# --- connection ------------------------------------------------------------------------------


def _request(request: Request, on_wait: OnWait) -> None:
    """Send a request and wait until its response is cached."""
    deadline = time.monotonic() + TIMEOUT
    for _ in range(ATTEMPTS):
        with _connect_or_start(on_wait) as connection:
            try:
                connection.send_bytes(request.to_json().encode())
                return _wait(connection, deadline, on_wait)
            except DISCONNECTED:
                on_wait("The inspector has stopped; restarting it")
    raise Unavailable(
        f"The inspector has stopped {ATTEMPTS} times during this request.",
        f"It may be out of memory, see {log_path()}. Try a shorter text or a smaller model.",
    )


def _wait(connection: Connection, deadline: float, on_wait: OnWait) -> None:
    """Read messages until the response is cached.

    Raises:
        SparseKDError: the inspector's error.
        Unavailable: the deadline has passed.
        OSError, EOFError: the inspector has died.
    """
    while time.monotonic() < deadline:
        if not connection.poll(POLL):
            continue
        message: dict[str, Any] = json.loads(connection.recv_bytes())
        if "error" in message:
            raise _error(message["error"])
        if message.get("done"):
            return
        on_wait(str(message["waiting"]))
    raise Unavailable(
        f"The inspector has not responded within {TIMEOUT:.0f} seconds.",
        "Other requests are queued, or the machine is busy: try again.",
    )


def _error(message: dict[str, str]) -> SparseKDError:
    kind = getattr(errors, message["kind"], SparseKDError)
    return cast(SparseKDError, kind(message["message"], message["hint"]))


def _connect_or_start(on_wait: OnWait) -> Connection:
    """Connect to the inspector; start one where none runs.

    Raises:
        Unavailable: the inspector does not start in time.
    """
    connection = _connect()
    if connection is not None:
        return connection
    process = spawn_detached("sparsekd.inspector", store.home(), LOG)
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        on_wait("Starting the inspector")
        time.sleep(POLL)
        connection = _connect()
        if connection is not None:
            return connection
        if process.poll() not in (None, 0):  # 0: another inspector was first
            break
    raise Unavailable("The inspector does not start.", f"See {log_path()}.")


def _connect() -> Connection | None:
    """Connect to a running inspector; None where there is none (yet, or any longer)."""
    try:
        server = json.loads(address_path().read_text(encoding="utf-8"))
        return Client(server["address"], authkey=bytes.fromhex(server["key"]))
    except DISCONNECTED:
        return None
