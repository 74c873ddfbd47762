"""Recurrent networks in torch: the equations operator by operator; compile compiles the same."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from lnbench.operations.recurrent import equations
from lnbench.operations.recurrent.equations import Norm


def forward(
    cell: str,
    x: Any,
    parameters: Mapping[str, Any],
    norm: Norm | None,
    out: tuple[Any, ...] | None = None,
) -> tuple[Any, ...]:
    """Return (h,).

    Args:
        cell: rnn, lstm or gru.
        x: (T, B, H).
        parameters: weights, biases and gains, by the names of `equations.shapes`.
        norm: how summed inputs are normalized; None leaves every normalization out.
        out: a ready (h,), or None to allocate.
    """
    h, _ = equations.forward(torch, cell, x, parameters, norm)
    return (h,) if out is None else (out[0].copy_(h),)


def saved(cell: str, x: Any, parameters: Mapping[str, Any], norm: Norm | None) -> Any:
    """Return h and what `backward` needs."""
    return equations.forward(torch, cell, x, parameters, norm)


def backward(
    cell: str,
    dh: Any,
    x: Any,
    parameters: Mapping[str, Any],
    kept: tuple[Any, Sequence[Any]],
    norm: Norm | None,
    out: tuple[Any, ...] | None = None,
) -> tuple[Any, ...]:
    """Return dx and the gradient of every parameter.

    Args:
        cell: rnn, lstm or gru.
        dh: (T, B, H), the gradient of every h.
        x: (T, B, H).
        parameters: weights, biases and gains.
        kept: what `saved` returned.
        norm: as given to `saved`.
        out: ready results, or None to allocate.
    """
    dx, rest = equations.backward(torch, cell, dh, x, parameters, kept[1], norm)
    results = (dx, *(rest[name] for name in parameters))
    if out is None:
        return results
    return tuple(ready.copy_(result) for ready, result in zip(out, results, strict=True))


def sequence(cell: str, x: Any, parameters: Mapping[str, Any], norm: Norm | None) -> Any:
    """Return h of every step, with autograd."""
    return equations.forward(torch, cell, x, parameters, norm)[0]


def step(
    cell: str,
    x: Any,
    parameters: Mapping[str, Any],
    norm: Norm | None,
    dh: Any,
    sequence: Callable[..., Any] = sequence,
) -> tuple[Any, ...]:
    """Return h, dx and the parameters' gradients through autograd."""
    leaf = x.detach().requires_grad_()
    leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
    h = sequence(cell, leaf, leaves, norm)
    return h.detach(), *torch.autograd.grad(h, (leaf, *leaves.values()), dh)
