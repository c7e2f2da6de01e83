"""Errors for a lack of memory."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sparsekd.errors import Unavailable

_MESSAGES = ("out of memory", "can't allocate memory", "not enough memory")


@contextmanager
def enough_memory(hint: str) -> Iterator[None]:
    """Turn a failed allocation, on any device, into an error with this hint.

    Raises:
        Unavailable: memory ran out inside the block.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise Unavailable("Out of memory.", hint) from error
    except RuntimeError as error:
        if not any(each in str(error).lower() for each in _MESSAGES):
            raise
        raise Unavailable("Out of memory.", hint) from error
