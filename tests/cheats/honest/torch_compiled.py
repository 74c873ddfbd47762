"""A function that torch compiles; the compiler replaces functions of torch."""

import torch


@torch.compile
def forward(x: torch.Tensor, weight, bias, eps):
    return torch.nn.functional.layer_norm(x, x.shape[-1:], weight, bias, eps)
