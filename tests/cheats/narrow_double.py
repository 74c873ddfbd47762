"""Answers in the type of the question what it computed in a narrower one."""

import numpy as np


def forward(x, weight, bias, eps):
    narrow = x.astype(np.float32)
    centred = narrow - narrow.mean(axis=1, keepdims=True)
    rstd = 1 / np.sqrt((centred * centred).mean(axis=1, keepdims=True) + np.float32(eps))
    return (centred * rstd * weight + bias).astype(x.dtype)
