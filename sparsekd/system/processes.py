"""Processes that outlive their parent: the queue, the inspector, the check of a device."""

import os
import subprocess
import sys
from pathlib import Path

from sparsekd.system.files import disk_error


def spawn_detached(
    module: str, home: Path, log_name: str, *arguments: str
) -> subprocess.Popen[bytes]:
    """Run `python -m module arguments` for the store in `home`, in a session of its own.

    Its output is appended to the log of this name there.

    Raises:
        Unavailable: the log cannot be written.
    """
    log = home / log_name
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
                env={"OMP_WAIT_POLICY": "PASSIVE"} | os.environ | {"SPARSEKD_HOME": str(home)},
            )
    except OSError as error:
        raise disk_error(log, error) from error
