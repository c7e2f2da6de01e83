"""Weight magnitude: card."""

from sparsekd.catalog.ranking_card import RankingCard

CARD = RankingCard(
    name="magnitude",
    title="Magnitude",
    phrase="by weight magnitude",
    source="Han, Pool, Tran, Dally, NeurIPS 2015, arXiv 1506.02626",
    summary="L2 norm of a unit's weights; needs no data.",
    origin="weights",
)
