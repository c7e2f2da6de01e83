"""Gradient × activation: card."""

from sparsekd.catalog.ranking_card import RankingCard

CARD = RankingCard(
    name="gradient_activation",
    title="Gradient × activation",
    phrase="by gradient × activation",
    source="Molchanov, Tyree, Karras, Aila, Kautz, ICLR 2017, arXiv 1611.06440",
    summary="Product of a unit's activation and the gradient of the gold class's log-odds.",
    origin="data",
)
