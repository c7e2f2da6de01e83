"""Questions to the inspector, the process that holds models warm; answers are kept by key.

The inspector is started by whoever asks first, leaves when nobody asks, and is started again
after a death. Whoever has an answer's key needs no inspector at all.
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
from sparsekd.inspector.protocol import ANSWERS, Answer, Question
from sparsekd.runs import store
from sparsekd.system import locks
from sparsekd.system.files import disk_trouble
from sparsekd.system.processes import detached

START = 90.0  # seconds that an inspector may take to load torch on a busy machine
PATIENCE = 180.0  # seconds after which nobody waits for an answer any longer
PAUSE = 0.05
DEATHS = 2  # after which it is said instead of tried again
GONE: tuple[type[Exception], ...] = (OSError, EOFError, multiprocessing.AuthenticationError)

Waiting = Callable[[str], None]
Kind = TypeVar("Kind", bound=Answer)


def ask(question: Question, answer: type[Kind], waiting: Waiting | None = None) -> Kind:
    """The answer to a question: a kept one at once, otherwise the inspector's.

    Args:
        answer: The kind of answer that this question has.
        waiting: Hears several times a second what is waited for; what it raises ends the wait.

    Raises:
        SparseKDError: what the inspector says is wrong with the question.
        NotFound: the model or its files are gone.
        Unavailable: the inspector does not start, has died twice, or takes too long.
    """
    assert_kind(question, answer)
    path = kept(question)
    if not path.exists():
        _asked(question, waiting or (lambda words: None))
    return answer.load(path)


def assert_kind(question: Question, answer: type[Answer]) -> None:
    """Refuse to wait for an answer that this question does not have."""
    if ANSWERS[question.kind] is not answer:
        raise TypeError(f"A question of {question.kind} has no {answer.__name__}.")


def kept(question: Question) -> Path:
    """Where the answer is, or will be.

    Raises:
        NotFound: a model that the question is about, or its files, are gone.
    """
    key = question.key(tuple(stamp(model) for model in question.models))
    return answers() / f"{key}.npz"


def stamp(reference: str) -> str:
    """Changes when the weights behind a reference are written again.

    Raises:
        NotFound: no such run or folder, or its weights are gone.
    """
    kind, _, rest = reference.partition(":")
    if kind == "hub":
        return ""
    folder = Path(rest.rpartition("#")[0]) if kind == "folder" else _of_run(reference)
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise NotFound(
            f"The model in {folder} is gone.",
            "Its files were deleted or moved: train it again, or choose another model.",
        )
    try:
        facts = [file.stat() for file in weights]
    except OSError as error:
        raise disk_trouble(folder, error) from error
    return " ".join(f"{each.st_mtime_ns}-{each.st_size}" for each in facts)


def _of_run(run_id: str) -> Path:
    return store.get(run_id).folder / "model"


# --- places ----------------------------------------------------------------------------------


def answers() -> Path:
    """The folder of kept answers."""
    return store.home() / "cache" / "answers"


def lock() -> Path:
    """Held by the one inspector of this store."""
    return store.home() / "inspector.lock"


def address() -> Path:
    """Where the inspector can be reached, and the key to it; readable by its owner alone."""
    return store.home() / "inspector.json"


def log() -> Path:
    """What the inspector says to nobody in particular."""
    return store.home() / "inspector.log"


def alive() -> bool:
    """Whether an inspector is at work."""
    return locks.is_locked(lock())


# --- talking ---------------------------------------------------------------------------------


def _asked(question: Question, waiting: Waiting) -> None:
    until = time.monotonic() + PATIENCE
    for _ in range(DEATHS):
        with _reached(waiting) as connection:
            try:
                connection.send_bytes(question.to_json().encode())
                return _heard(connection, until, waiting)
            except GONE:
                waiting("The inspector has ended; starting it again")
    raise Unavailable(
        f"The inspector has ended {DEATHS} times over this question.",
        f"Memory may have run out; {log()} says more. Try a shorter text or a smaller model.",
    )


def _heard(connection: Connection, until: float, waiting: Waiting) -> None:
    """Listen until the answer is kept.

    Raises:
        SparseKDError: the inspector's error. Unavailable: it takes too long.
        OSError, EOFError: it has died.
    """
    while time.monotonic() < until:
        if not connection.poll(PAUSE):
            continue
        said: dict[str, Any] = json.loads(connection.recv_bytes())
        if "error" in said:
            raise _error(said["error"])
        if said.get("done"):
            return
        waiting(str(said["waiting"]))
    raise Unavailable(
        f"There was no answer within {PATIENCE:.0f} seconds.",
        "Others are asking too, or the machine is busy: try again.",
    )


def _error(said: dict[str, str]) -> SparseKDError:
    kind = getattr(errors, said["kind"], SparseKDError)
    return cast(SparseKDError, kind(said["message"], said["hint"]))


def _reached(waiting: Waiting) -> Connection:
    """A connection to the inspector, which is started where there is none."""
    found = _connected()
    if found is not None:
        return found
    process = detached("sparsekd.inspector", log())
    until = time.monotonic() + START
    while time.monotonic() < until:
        waiting("Starting the inspector")
        time.sleep(PAUSE)
        found = _connected()
        if found is not None:
            return found
        if process.poll() not in (None, 0):  # 0: another inspector was there first
            break
    raise Unavailable("The inspector does not start.", f"{log()} says why.")


def _connected() -> Connection | None:
    try:
        said = json.loads(address().read_text(encoding="utf-8"))
        return Client(said["address"], authkey=bytes.fromhex(said["key"]))
    except GONE:  # not there, not yet, or no longer
        return None
