"""`python -m sparsekd.inspector`: answer questions until nobody asks."""

import argparse
import signal
import sys

from sparsekd.errors import BadInput
from sparsekd.inspector.server.serving import IDLE, LIMIT, serve


def main() -> int:
    """Serve this store; leave at once where another inspector does."""
    parser = argparse.ArgumentParser(prog="python -m sparsekd.inspector", description=__doc__)
    parser.add_argument("--idle", type=float, default=IDLE, help="seconds without a question")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for one answer")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # leaves no address behind
    try:
        serve(args.idle, args.limit)
    except BadInput as taken:
        sys.stderr.write(f"{taken}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
