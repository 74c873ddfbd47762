"""Batch normalization, to compare Layer Normalization with: truth and kernels."""
