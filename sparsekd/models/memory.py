"""Running out of memory, said in words."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sparsekd.errors import Unavailable

_REFUSALS = ("out of memory", "can't allocate memory", "not enough memory")


@contextmanager
def enough_memory(hint: str) -> Iterator[None]:
    """Turn a refused allocation, on whichever device, into an error that carries `hint`.

    Raises:
        Unavailable: memory ran out inside the block.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise Unavailable("Memory ran out.", hint) from error
    except RuntimeError as error:
        if not any(refusal in str(error).lower() for refusal in _REFUSALS):
            raise
        raise Unavailable("Memory ran out.", hint) from error
