"""torch's own function, with its own arguments."""

import torch


def norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):  # noqa: A002
    return torch.nn.functional.layer_norm(input, normalized_shape, weight, bias, eps)
