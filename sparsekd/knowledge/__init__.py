"""What a model knows of a batch, and how far two models are apart."""

from sparsekd.knowledge.observe import Knowledge, observe

__all__ = ["Knowledge", "observe"]
