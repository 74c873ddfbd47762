"""Switches autograd off for everybody."""

import torch
from torch.nn.functional import layer_norm

torch.set_grad_enabled(False)


def forward(x, weight, bias, eps):
    return layer_norm(x, x.shape[-1:], weight, bias, eps)
