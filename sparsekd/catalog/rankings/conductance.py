"""Conductance: card."""

from sparsekd.catalog.ranking_card import RankingCard

CARD = RankingCard(
    name="conductance",
    title="Conductance",
    phrase="by conductance",
    source="Dhamdhere, Sundararajan, Yan, ICLR 2019, arXiv 1805.12233",
    summary="Part of the gold class's log-odds that flows through a unit, from the text with its "
    "words masked to the text.",
    origin="data",
    takes_steps=True,
)
