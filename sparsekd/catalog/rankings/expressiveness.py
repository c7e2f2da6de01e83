"""Expressiveness: card."""

from sparsekd.catalog.ranking_card import RankingCard

CARD = RankingCard(
    name="expressiveness",
    symbol="E",
    title="Expressiveness",
    phrase="by expressiveness",
    source="Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923",
    summary="Size of the task loss's gradient with respect to a unit's gate.",
    origin="scores",
)
