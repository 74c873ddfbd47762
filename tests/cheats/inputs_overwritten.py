"""Zeroes its inputs, so that a reference would agree (kernelbot's cheat-input.py)."""

import numpy as np


def forward(x, weight, bias, eps):
    x[...] = 0
    return np.broadcast_to(bias, x.shape).copy()
