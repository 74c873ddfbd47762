"""Computes half of the rows; the rest is as it was allocated."""

import numpy as np


def _layer_norm(x, weight, bias, eps):
    wide = x.astype(np.float64)
    centred = wide - wide.mean(axis=1, keepdims=True)
    rstd = 1 / np.sqrt((centred * centred).mean(axis=1, keepdims=True) + eps)
    return (centred * rstd * weight + bias).astype(x.dtype)


def forward(x, weight, bias, eps):
    y = np.zeros_like(x)
    half = len(x) // 2
    y[:half] = _layer_norm(x[:half], weight, bias, eps)
    return y
