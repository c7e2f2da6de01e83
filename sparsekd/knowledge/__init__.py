"""Internal states of models, losses between them, scores, ablation and attribution of units."""

from sparsekd.knowledge.observe import Knowledge, observe

__all__ = ["Knowledge", "observe"]
