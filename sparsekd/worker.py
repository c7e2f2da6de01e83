"""One run in one process. Preloads torch, so that a queue can fork workers that begin at once."""

import os
import signal
import time
import traceback
from collections.abc import Sequence

import torch
import transformers.models.bert.modeling_bert  # noqa: F401 (loaded before the fork, for speed)

from sparsekd import store
from sparsekd.errors import Cancelled, SparseKDError, Unavailable
from sparsekd.records import Outcome, State
from sparsekd.stages import STAGES, Desk


def work(run_ids: str | Sequence[str], device: str, threads: int | None = None) -> None:
    """Do queued runs, one after another; one that was cancelled or finished is left alone.

    `threads` are those that torch may use, where several workers share a processor.

    Raises:
        BadInput: another worker is at it.
    """
    if threads is not None:
        torch.set_num_threads(threads)
    for run_id in [run_ids] if isinstance(run_ids, str) else run_ids:
        _work(run_id, device)


def _work(run_id: str, device: str) -> None:
    with store.held(run_id):
        run = store.get(run_id)
        if run.state is not State.QUEUED:
            return
        desk = Desk(run.recipe, device, run.folder)
        signal.signal(signal.SIGTERM, lambda *_: setattr(desk, "asked_to_stop", True))
        start = time.monotonic()
        store.start(run_id, device, os.getpid())
        state, outcome = _outcome(desk)
        store.finish(run_id, state, outcome, time.monotonic() - start)


def _outcome(desk: Desk) -> tuple[State, Outcome]:
    try:
        outcome = STAGES[desk.recipe.stage](desk)
    except Cancelled as stop:
        return State.CANCELLED, Outcome(message=stop.message, hint=stop.hint)
    except SparseKDError as error:
        traceback.print_exc()
        lasting = not isinstance(error, Unavailable)
        return State.FAILED, Outcome(message=error.message, hint=error.hint, lasting=lasting)
    except Exception as bug:  # noqa: BLE001 (whatever it is, the run says so)
        traceback.print_exc()
        message = f"{type(bug).__name__}: {bug}"
        return State.FAILED, Outcome(message=message, hint="The log of the run has the traceback.")
    return State.DONE, outcome
