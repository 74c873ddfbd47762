"""Threads that it waits for."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

_pool = ThreadPoolExecutor(2)


def forward(x, weight, bias, eps):
    y = np.empty_like(x)

    def part(rows):
        wide = x[rows].astype(np.float64)
        rstd = 1 / np.sqrt(wide.var(axis=1, keepdims=True) + eps)
        y[rows] = (wide - wide.mean(axis=1, keepdims=True)) * rstd * weight + bias

    half = len(x) // 2
    list(_pool.map(part, (slice(0, half), slice(half, None))))
    return y
