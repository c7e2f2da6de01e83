"""`python -m sparsekd`: the command line. An error is one line and exit code 2 or 70."""

import os
import sys
from collections.abc import Sequence

from sparsekd.cli.parser import parse
from sparsekd.errors import Cancelled, SparseKDError
from sparsekd.runs import store
from sparsekd.system.unexpected import LOG, log_error


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when done, 1 where a check found something wrong, 2 on bad input or a failed run, 70 on
        an unexpected error, whose traceback is in a log, 130 when stopped.
    """
    try:
        command, request = parse(sys.argv[1:] if words is None else words)
        return command(request) or 0
    except Cancelled as stop:
        print(stop, file=sys.stderr)
        return 130
    except SparseKDError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read the output has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # noqa: BLE001 (a fault of the program)
        home = store.own_home()
        number = log_error(error, home)
        words = f"{type(error).__name__}, number {number}: {home / LOG} has the traceback."
        print(f"An unexpected error, a fault of the program: {words}", file=sys.stderr)
        return 70


if __name__ == "__main__":
    sys.exit(main())
