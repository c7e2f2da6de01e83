"""Heads and neurons in numpy: scores, masks, and what follows from them. Sliders call this."""
