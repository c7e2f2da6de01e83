"""The inspector's loop: one thread per visitor listens, the main thread alone works.

So models are used by one question at a time, and no visitor's mask is there when another's
question is answered. The main thread is also where a time limit can interrupt the work.
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
from sparsekd.inspector.protocol import Question, parse
from sparsekd.inspector.server.answering import answer
from sparsekd.inspector.server.model_cache import Shelf
from sparsekd.system import locks
from sparsekd.system.files import replace

IDLE = 600.0
LIMIT = 60.0
TICK = 0.25  # seconds between two signs of life to somebody who waits
LARGEST = 8 << 20  # bytes of a question
KEPT = 512 << 20  # bytes of kept answers

Said = dict[str, Any]


class TooLong(Unavailable):
    """An answer took longer than its limit."""


@dataclass
class Asked:
    """A question and the place of its reply."""

    question: Question
    reply: "Future[Said]" = field(default_factory=Future)


def serve(idle: float = IDLE, limit: float = LIMIT) -> None:
    """Answer this store's questions; leave after `idle` seconds without one.

    Raises:
        BadInput: another inspector serves this store.
    """
    with locks.holding(client.lock(), "Another inspector is at work."):
        key = secrets.token_bytes(32)
        with Listener(authkey=key) as listener:
            _publish(str(listener.address), key)
            asked: Queue[Asked] = Queue()
            Thread(target=_listen, args=(listener, asked), daemon=True).start()
            try:
                _work(asked, Shelf(), idle, limit)
            finally:
                client.address().unlink(missing_ok=True)


def _publish(address: str, key: bytes) -> None:
    text = json.dumps({"address": address, "key": key.hex(), "pid": os.getpid()})

    def write(path: Path) -> None:
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")

    replace(client.address(), write)


# --- listening -------------------------------------------------------------------------------


def _listen(listener: Listener, asked: "Queue[Asked]") -> None:
    while True:
        try:
            visitor = listener.accept()
        except client.GONE:  # somebody without the key, or gone again
            continue
        Thread(target=_converse, args=(visitor, asked), daemon=True).start()


def _converse(visitor: Connection, asked: "Queue[Asked]") -> None:
    """One visitor's one question; a visitor who leaves is not answered."""
    with visitor, suppress(*client.GONE):
        try:
            one = Asked(parse(visitor.recv_bytes(LARGEST).decode("utf-8", "replace")))
        except SparseKDError as error:
            visitor.send_bytes(_bytes(_refusal(error)))
            return
        asked.put(one)
        while True:
            with suppress(TimeoutError):
                visitor.send_bytes(_bytes(one.reply.result(timeout=TICK)))
                return
            if visitor.poll():  # it has nothing more to say: it has hung up
                one.reply.cancel()
                return
            visitor.send_bytes(_bytes({"waiting": _words(one, asked)}))


def _words(one: Asked, asked: "Queue[Asked]") -> str:
    if one.reply.running():
        return "Working"
    return f"Waiting: {asked.qsize()} in the queue"


def _bytes(said: Said) -> bytes:
    return json.dumps(said).encode()


def _refusal(error: SparseKDError) -> Said:
    kind = "Unavailable" if isinstance(error, TooLong) else type(error).__name__
    return {"error": {"kind": kind, "message": error.message, "hint": error.hint}}


# --- working ---------------------------------------------------------------------------------


def _work(asked: "Queue[Asked]", shelf: Shelf, idle: float, limit: float) -> None:
    while (one := _next(asked, idle)) is not None:
        if one.reply.set_running_or_notify_cancel():
            one.reply.set_result(_reply(one.question, shelf, limit))


def _next(asked: "Queue[Asked]", idle: float) -> Asked | None:
    """The next question; None when there was none for `idle` seconds.

    A long wait would not notice a signal that another thread of this process has received.
    """
    until = time.monotonic() + idle
    while (left := until - time.monotonic()) > 0:
        with suppress(Empty):
            return asked.get(timeout=min(left, TICK))
    return None


def _reply(question: Question, shelf: Shelf, limit: float) -> Said:
    start = time.monotonic()
    try:
        path = client.kept(question)
        if not path.exists():
            with _limited(limit):
                found = answer(question, shelf)
            found.save(path)
            forget(KEPT)
    except TooLong as error:
        shelf.clear()
        return _refusal(error)
    except SparseKDError as error:
        return _refusal(error)
    except Exception as bug:  # noqa: BLE001 (whatever it is, who asked hears of it)
        traceback.print_exc()
        shelf.clear()
        words = f"{type(bug).__name__}: {bug}"
        return _refusal(SparseKDError(words, f"{client.log()} has the traceback."))
    sys.stderr.write(f"{question.kind} {time.monotonic() - start:.3f} s\n")
    sys.stderr.flush()
    return {"done": True}


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Interrupt the main thread's work after some seconds.

    Raises:
        TooLong: they are over.
    """

    def ring(*_: Any) -> None:
        raise TooLong(
            f"The answer took longer than {seconds:g} seconds.",
            "Take a shorter text, fewer examples or a smaller model.",
        )

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def forget(most: int) -> None:
    """Delete the oldest kept answers until they take at most so many bytes."""
    files = [(file.stat(), file) for file in client.answers().glob("*.npz")]
    files.sort(key=lambda each: each[0].st_mtime, reverse=True)
    total = 0
    for facts, file in files:
        total += facts.st_size
        if total > most:
            file.unlink(missing_ok=True)
