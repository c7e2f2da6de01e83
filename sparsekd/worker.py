"""One run in one process. Preloads torch, so that a queue can fork workers that begin at once."""

import os
import signal
import time
import traceback

import transformers.models.bert.modeling_bert  # noqa: F401 (loaded before the fork, for speed)

from sparsekd import store
from sparsekd.errors import Cancelled, SparseKDError
from sparsekd.records import Outcome, State
from sparsekd.stages import STAGES, Desk


def work(run_id: str, device: str) -> None:
    """Do one queued run; one that was cancelled or finished meanwhile is left alone.

    Raises:
        BadInput: another worker is at it.
    """
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
        return State.FAILED, Outcome(message=error.message, hint=error.hint)
    except Exception as bug:  # noqa: BLE001 (whatever it is, the run says so)
        traceback.print_exc()
        message = f"{type(bug).__name__}: {bug}"
        return State.FAILED, Outcome(message=message, hint="The log of the run has the traceback.")
    return State.DONE, outcome
