"""Models: where heads and neurons live, gates on them, loading, pruning, first students."""
