"""Sizes of models as people read them."""

from sparsekd.units.shape import ModelShape

LENGTHS = (16, 32, 64, 128, 256, 512)
USUAL = 128  # tokens, the length at which operations are usually reported
UNITS = ((10**12, 10**12, " T"), (10**9, 10**9, " G"), (10**6, 10**6, " M"), (10**4, 10**3, " k"))


def short_count(number: int) -> str:
    """Return a large count in three or four digits: 36,864 is 36.9 k."""
    for least, size, unit in UNITS:
        if number >= least:
            return f"{number / size:.3g}{unit}"
    return f"{number:,}"


def usual_length(shape: ModelShape) -> int:
    """Return the tokens for which to count operations: 128, or fewer if the model reads fewer."""
    longest = min(USUAL, max(LENGTHS[0], shape.positions))
    return max(length for length in LENGTHS if length <= longest)
