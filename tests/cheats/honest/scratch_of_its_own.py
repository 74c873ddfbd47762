"""Keeps scratch memory between calls, and no result."""

import numpy as np

_scratch = {}


def forward(x, weight, bias, eps):
    work = _scratch.setdefault(x.shape, np.empty(x.shape))
    np.subtract(x, x.mean(axis=1, keepdims=True, dtype=np.float64), out=work)
    rstd = 1 / np.sqrt(np.einsum("ij,ij->i", work, work) / x.shape[1] + eps)
    work *= rstd[:, None]
    return (work * weight + bias).astype(x.dtype)
