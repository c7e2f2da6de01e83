"""Processes that outlive their parent: the queue, the inspector, the check of a device."""

import os
import subprocess
import sys
from pathlib import Path

from sparsekd.system.files import disk_error


def spawn_detached(module: str, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Run `python -m module arguments` in a session of its own; its output is appended to `log`.

    Raises:
        Unavailable: the log cannot be written.
    """
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as out:
            out.write(b"started\n")
            out.flush()
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                cwd=Path(__file__).parents[2],
                # Threads that wait by spinning make a busy machine three times slower.
                env={"OMP_WAIT_POLICY": "PASSIVE"} | os.environ,
            )
    except OSError as error:
        raise disk_error(log, error) from error
