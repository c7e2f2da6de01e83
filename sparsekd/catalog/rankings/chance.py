"""Random ranking: card."""

from sparsekd.catalog.ranking_card import RankingCard

CARD = RankingCard(
    name="random",
    title="Random",
    phrase="at random",
    source="",
    summary="Uniform random values, drawn from a seed.",
    origin="chance",
    role="random_mask",
)
