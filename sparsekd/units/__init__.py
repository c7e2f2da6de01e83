"""Heads and neurons in numpy: scores, masks, ablations and comparisons of them, without torch."""
