"""The warm process that answers questions about a model."""
