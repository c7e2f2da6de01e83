"""Sweeps: trade-off studies over λ, sparsity, method and seed, with their controls; searches."""
