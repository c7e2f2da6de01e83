"""A trade-off study before it is changed, and what a form makes of its fields."""

from collections.abc import Iterable

from sparsekd.catalog.methods import METHODS
from sparsekd.errors import BadInput
from sparsekd.runs import references
from sparsekd.runs.records import Recipe
from sparsekd.studies import recipes
from sparsekd.studies.sweeps.sweep_spec import SweepSpec


def default_sweep(teacher: Recipe) -> SweepSpec:
    """Return the default trade-off study of a teacher."""
    _, train, student = recipes.defaults(references.origin(teacher.inputs["checkpoint"]))
    return SweepSpec(teacher.task, teacher, train=train, student=student)


def sweep_methods() -> list[str]:
    """Return the methods of exactly one teacher, which a trade-off study can take."""
    return [n for n, card in METHODS.items() if card.least_teachers == 1 == card.most_teachers]


def grid_values(title: str, texts: Iterable[str]) -> tuple[float, ...]:
    """Return the distinct numbers of a grid, rising.

    Raises:
        BadInput: a text is not a number.
    """
    return tuple(dict.fromkeys(sorted(_number(title, text) for text in texts)))


def _number(title: str, text: str) -> float:
    try:
        return float(text.strip().replace(",", "."))
    except ValueError as error:
        hint = "Write 0.35, for example."
        raise BadInput(f"{title}: {text!r} is not a number.", hint) from error


def extended_seeds(known: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Return `count` seeds: the known ones first, then the smallest unused ones."""
    unused = (seed for seed in range(count + len(known)) if seed not in known)
    return (*known, *unused)[:count]
