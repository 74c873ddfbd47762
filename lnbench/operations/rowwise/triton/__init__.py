"""LayerNorm, RMSNorm and a residual added before them: one family of Triton kernels."""
