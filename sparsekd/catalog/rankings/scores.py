"""Knowledgeableness, the λ mixture of expressiveness and student-friendliness: card."""

from sparsekd.catalog.ranking_card import RankingCard

CARD = RankingCard(
    name="scores",
    symbol="K",
    title="Knowledgeableness",
    phrase="by knowledgeableness",
    source="Yang, Zhang, Song, EMNLP 2022, arXiv 2210.03923",
    summary="K = λ · E + (1 − λ) · F.",
    origin="scores",
    needs_student=True,
)
