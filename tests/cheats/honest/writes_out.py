"""Ready buffers, and float64 inside."""

import numpy as np


def forward(x, weight, bias, eps, out=None):
    wide = x.astype(np.float64)
    mean = wide.mean(axis=1, keepdims=True)
    rstd = 1 / np.sqrt(wide.var(axis=1, keepdims=True) + eps)
    y, means, rstds = out or (np.empty_like(x), *np.empty((2, len(x)), np.float32))
    y[...] = (wide - mean) * rstd * weight + bias
    means[...], rstds[...] = mean[:, 0], rstd[:, 0]
    return y, means, rstds
