"""Student-friendliness: card."""

from sparsekd.catalog.ranking_card import RankingCard

CARD = RankingCard(
    name="friendliness",
    symbol="F",
    title="Student-friendliness",
    phrase="by student-friendliness",
    source="Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923",
    summary="Size of the gradient, with respect to a unit's gate, of the loss between teacher and "
    "trial student.",
    origin="scores",
    needs_student=True,
)
