"""`python -m sparsekd`: the command line. Errors leave as one line and exit code 2."""

import sys

from sparsekd.cli.menu import parser
from sparsekd.errors import Cancelled, SparseKDError


def main(words: list[str] | None = None) -> int:
    """Run one command.

    Returns:
        0 when done, 2 on bad input or a failed run, 130 when stopped.
    """
    words = sys.argv[1:] if words is None else words
    try:
        args = parser(_method(words)).parse_args(words)
        args.command(args)
    except Cancelled as stop:
        print(stop, file=sys.stderr)
        return 130
    except SparseKDError as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def _method(words: list[str]) -> str:
    """The method named on the command line, whose parameters become options."""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word == "--method":
            return following
        if word.startswith("--method="):
            return word.partition("=")[2]
    return "vanilla"


if __name__ == "__main__":
    sys.exit(main())
