"""The catalogue of baselines: classifiers that are no students, one module each with its `CARD`.

A comparison and a trade-off study have them as controls; the stage `baseline` trains them.
"""

from sparsekd.catalog.baselines import tfidf
from sparsekd.catalog.method_card import MethodCard

BASELINES: dict[str, MethodCard] = {card.name: card for card in (tfidf.CARD,)}
