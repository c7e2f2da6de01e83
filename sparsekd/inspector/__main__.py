"""`python -m sparsekd.inspector`: serve requests until idle."""

import argparse
import signal
import sys

from sparsekd.errors import BadInput
from sparsekd.inspector.server.serving import IDLE, LIMIT, serve


def main() -> int:
    """Serve this store; exit at once if another inspector does."""
    parser = argparse.ArgumentParser(prog="python -m sparsekd.inspector", description=__doc__)
    parser.add_argument("--idle", type=float, default=IDLE, help="exit after these seconds idle")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for one request")
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # removes the address file
    try:
        serve(args.idle, args.limit)
    except BadInput as error:
        sys.stderr.write(f"{error}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
