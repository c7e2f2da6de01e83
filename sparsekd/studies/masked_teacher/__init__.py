"""A masked teacher: its quality over sparsity, its pruned model, exports and speed."""
