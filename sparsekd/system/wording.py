"""Numbers in words."""


def counted(number: int, one: str, several: str = "") -> str:
    """Return a count with its noun: 1 run, 2 runs."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def size(count: float) -> str:
    """Return a number of bytes in words: 12 MiB, 1.2 GiB."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def signed(number: float, digits: int) -> str:
    """Return a number with its sign: +3.1, −0.4."""
    return f"{number:+.{digits}f}".replace("-", "−")
