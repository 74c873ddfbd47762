"""The nets of section 6 of the paper, small: an MLP, and recurrent ones that read rows."""

from typing import Any

import torch

from lnbench.operations.recurrent import equations

EPS = 1e-5
HIDDEN = {"mlp": 100, "rnn": 64, "lstm": 64, "gru": 64}
"""Units of a hidden layer."""

BATCH_IN_TIME = (
    "batch normalization is left out of recurrent nets, where it has no meaning: its statistics "
    "would differ by time step, and longer sequences than those trained on have none (section 3)"
)


def build(model: str, normalization: str, size: tuple[int, int], classes: int) -> Any:
    """Return a net for images of a size; ValueError for batch normalization in a recurrent one.

    Weights are drawn from torch's generator, whose seed is the caller's.
    """
    if model == "mlp":
        return _mlp(normalization, size[0] * size[1], classes)
    if normalization == "batch":
        raise ValueError(BATCH_IN_TIME)
    return Recurrent(model, normalization, size[1], classes)


def _mlp(normalization: str, inputs: int, classes: int) -> Any:
    """Return inputs-H-H-classes; the hidden layers are normalized, the logits are not (6.6)."""
    hidden = HIDDEN["mlp"]
    layers: list[Any] = [torch.nn.Flatten()]
    for width in (inputs, hidden):
        layers += [torch.nn.Linear(width, hidden), _layer(normalization, hidden), torch.nn.ReLU()]
    return torch.nn.Sequential(*layers, torch.nn.Linear(hidden, classes))


def _layer(normalization: str, width: int) -> Any:
    return {
        "none": torch.nn.Identity,
        "batch": lambda: torch.nn.BatchNorm1d(width, eps=EPS),
        "layer": lambda: torch.nn.LayerNorm(width, eps=EPS),
        "rms": lambda: torch.nn.RMSNorm(width, eps=EPS),
    }[normalization]()


class Recurrent(torch.nn.Module):
    """One recurrent layer over the rows of an image, and the logits of its last state."""

    def __init__(self, cell: str, normalization: str, inputs: int, classes: int) -> None:
        super().__init__()
        hidden = HIDDEN[cell]
        self.cell = cell
        self.norm = {
            "none": None,
            "layer": equations.Norm(EPS),
            "rms": equations.Norm(EPS, centred=False),
        }[normalization]
        shapes = equations.shapes(cell, hidden, normalized=self.norm is not None)
        shapes["wx"] = (shapes["wx"][0], inputs)
        self.weights = torch.nn.ParameterDict(
            {name: _parameter(name, shape) for name, shape in shapes.items()}
        )
        self.logits = torch.nn.Linear(hidden, classes)

    def forward(self, images: Any) -> Any:
        """Return the logits of images (B, rows, columns)."""
        rows = images.transpose(0, 1)
        h, _ = equations.forward(torch, self.cell, rows, dict(self.weights), self.norm)
        return self.logits(h[-1])


def _parameter(name: str, shape: tuple[int, ...]) -> Any:
    if name.startswith("gain"):
        return torch.nn.Parameter(torch.ones(shape))
    if len(shape) == 1:
        return torch.nn.Parameter(torch.zeros(shape))
    return torch.nn.Parameter(torch.randn(shape) * shape[1] ** -0.5)
