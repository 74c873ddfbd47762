"""A loop that Numba compiles."""

import numba
import numpy as np


@numba.njit
def _normalize(x, weight, bias, eps, y):
    rows, columns = x.shape
    for i in range(rows):
        mean = 0.0
        for j in range(columns):
            mean += x[i, j]
        mean /= columns
        variance = 0.0
        for j in range(columns):
            variance += (x[i, j] - mean) ** 2
        rstd = 1 / np.sqrt(variance / columns + eps)
        for j in range(columns):
            y[i, j] = (x[i, j] - mean) * rstd * weight[j] + bias[j]


def forward(x, weight, bias, eps):
    y = np.empty_like(x)
    _normalize(x, weight, bias, eps, y)
    return y
