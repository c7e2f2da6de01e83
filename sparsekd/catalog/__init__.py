"""The catalogue: methods with their cards, and the parameters of methods and stages; no torch."""
