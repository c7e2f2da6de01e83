"""Numbers in words."""


def counted(number: int, one: str, several: str = "") -> str:
    """Return a count with its noun: 1 run, 2 runs."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"
