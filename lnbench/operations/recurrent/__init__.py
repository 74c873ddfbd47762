"""Recurrent networks with LayerNorm, and without (paper eq. 4, 20-22, 26-28): spec and kernels."""
