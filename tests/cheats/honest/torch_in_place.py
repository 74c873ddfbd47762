"""Works in a buffer of its own that it keeps, and returns a copy."""

import torch

_buffers = {}


def forward(x: torch.Tensor, weight, bias, eps):
    if x.shape not in _buffers:
        _buffers[x.shape] = torch.empty_like(x)
    y = torch.sub(x, x.mean(1, keepdim=True), out=_buffers[x.shape])
    variance = (y * y).mean(1, keepdim=True)
    return y.mul_(torch.rsqrt(variance + eps)).mul_(weight).add_(bias).clone()
