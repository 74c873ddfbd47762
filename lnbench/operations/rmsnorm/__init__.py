"""RMSNorm: truth and kernels."""
