"""Distillation methods: one file and one card (`sparsekd.catalog.METHODS`) each."""

from sparsekd.methods.base import Method, Progress, Seen, Setup, Signal

__all__ = ["Method", "Progress", "Seen", "Setup", "Signal"]
