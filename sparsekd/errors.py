"""Errors that users read: a message with the value that is wrong, and a hint what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class SparseKDError(Exception):
    """Base: `message` says what is wrong, with the value; `hint` says what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __reduce__(self) -> tuple[type["SparseKDError"], tuple[str, str]]:
        return type(self), (self.message, self.hint)


class BadInput(SparseKDError):
    """A value, a file or a parameter is not usable."""


class Incompatible(SparseKDError):
    """Inputs that are valid alone do not fit together."""


class NotFound(SparseKDError):
    """A name that does not exist."""


class Unavailable(SparseKDError):
    """Something outside is missing: network, disk, memory, device, database."""


class Cancelled(SparseKDError):
    """The work was stopped on request; what is done is kept."""


def unknown(kind: str, name: str, known: Iterable[str]) -> NotFound:
    """Return the error for an unknown name, with the nearest known names."""
    names = sorted(known)
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    if near:
        return NotFound(f"There is no {kind} {name!r}.", f"Did you mean {' or '.join(near)}?")
    return NotFound(f"There is no {kind} {name!r}.", f"Known: {', '.join(names) or 'none yet'}.")
