"""LayerNorm in NumPy: the function lnbench calls is `forward`, its gradient `backward`.

lnbench check -b ./FILE     is it right?
lnbench run -b ./FILE,numpy how fast is it?
"""

import numpy as np


def forward(x, weight, bias, eps):
    """Return y of shape (M, N), and mean and rstd of shape (M,); y alone will do."""
    wide = x.astype(np.float64 if x.dtype == np.float64 else np.float32, copy=False)
    mean = wide.mean(axis=1, keepdims=True)
    centred = wide - mean
    centred -= centred.mean(axis=1, keepdims=True)  # what rounding the mean has left
    rstd = 1 / np.sqrt((centred * centred).mean(axis=1, keepdims=True) + eps)
    y = centred * rstd
    if weight is not None:
        y *= weight
    if bias is not None:
        y += bias
    return y.astype(x.dtype, copy=False), mean[:, 0], rstd[:, 0]


def backward(dy, x, mean, rstd, weight):
    """Return dx of shape (M, N), and dw and db of shape (N,)."""
    wide = x.astype(rstd.dtype, copy=False)
    normal = wide - mean[:, None]
    normal -= normal.mean(axis=1, keepdims=True)
    normal *= rstd[:, None]
    grad = dy.astype(rstd.dtype, copy=False)
    g = grad if weight is None else grad * weight.astype(rstd.dtype)
    along = (g * normal).mean(axis=1, keepdims=True)
    dx = (g - g.mean(axis=1, keepdims=True) - normal * along) * rstd[:, None]
    kind = x.dtype if weight is None else weight.dtype
    dw = (grad * normal).sum(axis=0, dtype=np.float64).astype(kind)
    db = grad.sum(axis=0, dtype=np.float64).astype(kind)
    return dx.astype(x.dtype, copy=False), dw, db
