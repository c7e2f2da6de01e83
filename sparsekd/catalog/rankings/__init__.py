"""The catalogue of rankings of heads and neurons: one module each, with its `CARD`."""

import pkgutil
from importlib import import_module

from sparsekd.catalog.ranking_card import ORIGINS, Origin, RankingCard
from sparsekd.errors import unknown


def discover() -> dict[str, RankingCard]:
    """Return the card of every module in this package, by name, sorted by origin and name."""
    modules = (import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__))
    cards: list[RankingCard] = [module.CARD for module in modules]
    cards.sort(key=lambda card: (ORIGINS.index(card.origin), card.name))
    return {card.name: card for card in cards}


RANKINGS = discover()


def find(name: str) -> RankingCard:
    """Return the card of the ranking `name`.

    Raises:
        NotFound: no ranking has that name; the nearest names are in the hint.
    """
    if name not in RANKINGS:
        raise unknown("ranking", name, RANKINGS)
    return RANKINGS[name]


def title(name: str) -> str:
    """Return the title of a stored ranking, or its name where this version does not have it."""
    return RANKINGS[name].title if name in RANKINGS else name


def phrase(name: str) -> str:
    """Return how a stored ranking removes units, in words; by its name where it is gone."""
    return RANKINGS[name].phrase if name in RANKINGS else f"by {name}"


def names(*origins: Origin) -> tuple[str, ...]:
    """Return the names of the rankings of these origins, in the order of the origins."""
    return tuple(
        card.name for origin in origins for card in RANKINGS.values() if card.origin == origin
    )


E, F, K, RANDOM = map(find, ("expressiveness", "friendliness", "scores", "random"))
CONTROLS = names("chance", "weights")
"""Rankings that need neither data nor a student: the controls of a mask by scores."""
