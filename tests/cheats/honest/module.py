"""A module, as a model has it."""

import torch


class Norm(torch.nn.LayerNorm):
    pass
