"""Rows in loops that Numba compiles: LayerNorm, line by line and past the cache."""
