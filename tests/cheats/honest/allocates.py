"""Four lines of NumPy."""

import numpy as np


def forward(x, weight, bias, eps):
    centred = x - x.mean(axis=1, keepdims=True, dtype=np.float32)
    variance = (centred * centred).mean(axis=1, keepdims=True, dtype=np.float32)
    return centred / np.sqrt(variance + np.float32(eps)) * weight + bias
