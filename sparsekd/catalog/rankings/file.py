"""An uploaded mask or file of scores: card."""

from sparsekd.catalog.ranking_card import RankingCard

CARD = RankingCard(
    name="file",
    title="Uploaded file",
    phrase="by an uploaded file",
    source="",
    summary="A mask.npz or scores.npz of your own.",
    origin="file",
)
