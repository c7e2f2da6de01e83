"""`python -m sparsekd`: the command line. An error is one line and exit code 2."""

import sys
from collections.abc import Sequence

from sparsekd.cli.parser import parse
from sparsekd.errors import Cancelled, SparseKDError


def main(words: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when done, 1 where a check found something wrong, 2 on bad input or a failed run, 130
        when stopped.
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


if __name__ == "__main__":
    sys.exit(main())
