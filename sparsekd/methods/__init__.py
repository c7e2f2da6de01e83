"""Distillation methods: one file and one card (`sparsekd.catalog.cards.METHODS`) each."""

from sparsekd.methods.base import Method, Progress, Seen, Setup, Signal

__all__ = ["Method", "Progress", "Seen", "Setup", "Signal"]
