"""Errors that no one expected: a number for whoever met them, and the traceback in a log."""

import secrets
import sys
import time
import traceback
from pathlib import Path

LOG = "errors.log"


def log_error(error: BaseException, home: Path) -> str:
    """Append the traceback to the log in a folder; return the number under which it stands there.

    Where the log cannot be written, the traceback goes to standard error.
    """
    number = secrets.token_hex(4)
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
    text = f"--- {number} {when} UTC\n{''.join(traceback.format_exception(error))}"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with (home / LOG).open("a", encoding="utf-8", errors="backslashreplace") as log:
            log.write(text)
    except OSError as broken:
        sys.stderr.write(f"{home / LOG} cannot be written: {broken}.\n{text}")
    return number
