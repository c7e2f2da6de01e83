"""A class at one server: many browsers on the steps of a lesson, over Streamlit's own protocol.

    python -m tests.load.class_load --browsers 40 http://127.0.0.1:8501

Each browser opens a session, takes every step of the lesson, and rests between two steps, as a
reader does. A step is the time from its request until its script has ended. Nothing is drawn: what
a browser needs for that, it spends on its own machine.
"""

import argparse
import asyncio
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

import numpy as np
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from sparsekd.lessons import reading

PATIENCE = 60.0  # seconds until a step is given up


@dataclass
class Load:
    """The seconds of each step, and what went wrong."""

    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def in_words(self) -> str:
        """Return the number of steps, their median, 95th percentile and maximum, and the errors."""
        p50, p95, worst = np.percentile(self.seconds, [50, 95, 100]) if self.seconds else [0] * 3
        return (
            f"{len(self.seconds)} steps: median {p50:.2f} s, p95 {p95:.2f} s, worst {worst:.2f} s; "
            f"{len(self.errors)} errors {self.errors[:3] or ''}"
        )


async def step(socket: ClientConnection, query: dict[str, str]) -> None:
    """Take one step: ask for the page, and wait until its script has ended.

    Raises:
        RuntimeError: the page shows an exception or an error; TimeoutError: it takes too long.
    """
    message = BackMsg()
    message.rerun_script.query_string = urlencode(query)
    message.rerun_script.page_name = "learn"
    await socket.send(message.SerializeToString())
    while True:
        answer = ForwardMsg()
        raw = await asyncio.wait_for(socket.recv(decode=False), PATIENCE)
        answer.ParseFromString(raw)
        kind = answer.WhichOneof("type")
        element = answer.delta.new_element
        if kind == "delta" and element.WhichOneof("type") == "exception":
            raise RuntimeError(element.exception.message)
        if kind == "delta" and element.WhichOneof("type") == "alert" and element.alert.format == 1:
            raise RuntimeError(element.alert.body)
        if kind == "script_finished" and answer.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
            return


async def browser(
    url: str, queries: Sequence[dict[str, str]], rest: float, found: Load, seed: int
) -> None:
    """Take all steps in one session, with a rest of `rest` seconds on average before each."""
    chance = random.Random(seed)
    address = url.replace("http", "ws", 1).rstrip("/") + "/_stcore/stream"
    try:
        async with connect(address, subprotocols=["streamlit"], max_size=None) as socket:  # type: ignore[list-item]
            for query in queries:
                await asyncio.sleep(chance.uniform(0, 2 * rest))
                began = time.monotonic()
                await step(socket, query)
                found.seconds.append(time.monotonic() - began)
    except (OSError, RuntimeError, TimeoutError) as error:
        found.errors.append(f"{type(error).__name__}: {error}")


async def load(url: str, browsers: int, lesson: str, rest: float) -> Load:
    """Return what many browsers met on all steps of a lesson."""
    steps = range(1, len(reading.find(lesson).steps) + 1)
    queries = [{"v": "1", "lesson": lesson, "step": str(number)} for number in steps]
    found = Load()
    await asyncio.gather(*(browser(url, queries, rest, found, seed) for seed in range(browsers)))
    return found


def main() -> None:
    """Print the load of a class."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--browsers", type=int, default=40)
    parser.add_argument("--lesson", default="when-a-teacher-helps")
    parser.add_argument("--rest", type=float, default=20.0, help="seconds between two steps")
    asked = parser.parse_args()
    found = asyncio.run(load(asked.url, asked.browsers, asked.lesson, asked.rest))
    sys.stdout.write(f"{found.in_words()}\n")


if __name__ == "__main__":
    main()
