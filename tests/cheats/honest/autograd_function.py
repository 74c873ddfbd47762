"""An autograd.Function with a gradient of its own."""

import torch


class Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, bias, eps):
        mean = x.mean(1, keepdim=True)
        rstd = torch.rsqrt(x.var(1, correction=0, keepdim=True) + eps)
        ctx.save_for_backward(x, mean, rstd, weight)
        return (x - mean) * rstd * weight + bias

    @staticmethod
    def backward(ctx, dy):
        x, mean, rstd, weight = ctx.saved_tensors
        normal, g = (x - mean) * rstd, dy * weight
        along = (g * normal).mean(1, keepdim=True)
        dx = (g - g.mean(1, keepdim=True) - normal * along) * rstd
        return dx, (dy * normal).sum(0), dy.sum(0), None


def forward(x, weight, bias, eps):
    return Norm.apply(x, weight, bias, eps)
