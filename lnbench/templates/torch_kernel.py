"""LayerNorm in PyTorch: lnbench calls `forward`, and for its gradient `backward`.

lnbench check -b ./FILE           is it right?
lnbench run -b ./FILE,torch-eager how fast is it?

Without `backward` the gradient is that of autograd, where y has a graph.
"""

import torch


def forward(x, weight, bias, eps):
    """Return y of shape (M, N), and mean and rstd of shape (M,); y alone will do."""
    wide = x if x.dtype == torch.float64 else x.float()
    mean = wide.mean(dim=1, keepdim=True)
    centred = wide - mean
    centred = centred - centred.mean(dim=1, keepdim=True)  # what rounding the mean has left
    rstd = torch.rsqrt(centred.square().mean(dim=1, keepdim=True) + eps)
    y = centred * rstd
    if weight is not None:
        y = y * weight
    if bias is not None:
        y = y + bias
    return y.to(x.dtype), mean[:, 0], rstd[:, 0]


def backward(dy, x, mean, rstd, weight):
    """Return dx of shape (M, N), and dw and db of shape (N,)."""
    normal = x.to(rstd.dtype) - mean[:, None]
    normal = (normal - normal.mean(dim=1, keepdim=True)) * rstd[:, None]
    grad = dy.to(rstd.dtype)
    g = grad if weight is None else grad * weight
    along = (g * normal).mean(dim=1, keepdim=True)
    dx = (g - g.mean(dim=1, keepdim=True) - normal * along) * rstd[:, None]
    kind = x.dtype if weight is None else weight.dtype
    return dx.to(x.dtype), (grad * normal).sum(dim=0).to(kind), grad.sum(dim=0).to(kind)
