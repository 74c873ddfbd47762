"""The sum of an input and a residual, stored, and its Layer Normalization: spec and kernels."""
