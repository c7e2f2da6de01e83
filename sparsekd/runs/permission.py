"""Whether whoever asks may change anything: a class's visitors may not.

Each function that launches, stops, deletes, uploads or measures for a person checks it first.
What workers and the queue write is not asked for.
"""

from collections.abc import Callable

_checks: list[Callable[[], None]] = []


def require(check: Callable[[], None]) -> None:
    """Check this too, once per process, before each change; it raises to refuse one."""
    if check not in _checks:
        _checks.append(check)


def check() -> None:
    """Refuse a change to whoever may not make it.

    Raises:
        BadInput: a check refuses it.
    """
    for each in _checks:
        each()
