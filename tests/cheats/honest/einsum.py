"""The variance as a sum over products of indices."""

import numpy as np


def forward(x, weight, bias, eps):
    centred = x - x.mean(axis=1, keepdims=True)
    variance = np.einsum("ij,ij->i", centred, centred, dtype=np.float64) / x.shape[1]
    return (centred / np.sqrt(variance + eps)[:, None] * weight + bias).astype(x.dtype)
