"""Returns an empty buffer that a thread fills later (KernelBench's static checker)."""

import threading

import numpy as np


def _layer_norm(x, weight, bias, eps):
    wide = x.astype(np.float64)
    centred = wide - wide.mean(axis=1, keepdims=True)
    rstd = 1 / np.sqrt((centred * centred).mean(axis=1, keepdims=True) + eps)
    return (centred * rstd * weight + bias).astype(x.dtype)


def forward(x, weight, bias, eps):
    y = np.empty_like(x)

    def work():
        y[...] = _layer_norm(x, weight, bias, eps)

    threading.Thread(target=work).start()
    return y
