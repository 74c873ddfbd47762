"""The kernels put on the device: grids, scratch and launch configurations of all they compute.

One family serves LayerNorm, RMSNorm (without a mean) and the sum of two inputs that is stored and
normalized (with a residual): what is None is not compiled.
"""

from typing import Any

import torch
import triton

from lnbench.operations.rowwise.triton import forward
from lnbench.operations.rowwise.triton.choice import chosen
from lnbench.operations.rowwise.triton.launch_backward import launch_backward, strides_of
from lnbench.operations.rowwise.triton.tiers import Configuration
from lnbench.plan.case import Direction


def run_forward(
    inputs: tuple[Any, Any],
    weight: Any,
    bias: Any,
    out: tuple[Any, Any, Any, Any],
    eps: float,
    configuration: Configuration | None,
) -> None:
    """Fill (y, total, mean, rstd) from (x, residual), with the configuration that suits them.

    Args:
        inputs: x (M, N) with at least one element, and what is added to it, or None.
        weight: (N,) or None.
        bias: (N,) or None.
        out: y and the sum of the inputs (M, N), mean and rstd (M,); the sum is None where nothing
            is added, and may be x itself; mean may be None.
        eps: added to the variance, or without a mean to the mean square.
        configuration: the configuration, or None for what suits.
    """
    vectors = tuple(None if vector is None else vector.contiguous() for vector in (weight, bias))

    def launch(configuration: Configuration) -> None:
        _launch_forward(inputs, vectors, out, float(eps), configuration)

    with torch.cuda.device_of(inputs[0]):
        flags = (*inputs, *vectors, *out)
        launch(configuration or chosen(Direction.FORWARD, inputs[0], flags, launch))


def _launch_forward(
    inputs: tuple[Any, Any],
    vectors: tuple[Any, ...],
    out: tuple[Any, Any, Any, Any],
    eps: float,
    configuration: Configuration,
) -> None:
    (x, residual), (y, total, mean, rstd) = inputs, out
    rows, columns = x.shape
    strides = strides_of(x, residual, y, total)
    if configuration.tier == "split":
        chunks = configuration.chunks(columns)
        moments = rstd.new_empty((3, chunks, rows))
        forward.split_moments[(rows, chunks)](
            x, residual, total, rstd, moments, rows, columns, strides[0], strides[1], strides[3],
            mean is not None, configuration.chunk, configuration.block_n,
            num_warps=configuration.num_warps,
        )  # fmt: skip
        forward.split_normalize[(rows, chunks)](
            x, *vectors, y, total, mean, rstd, moments, rows, columns,
            strides[0], *strides[2:], eps, configuration.chunk, configuration.block_n,
            triton.next_power_of_2(chunks), num_warps=configuration.num_warps,
        )  # fmt: skip
        return
    arrays = (x, residual, *vectors, y, total, mean, rstd)
    options = {"num_warps": configuration.num_warps, "maxnreg": configuration.registers or None}
    even = columns % configuration.block_n == 0
    if configuration.tier == "rows":
        forward.forward_rows[(triton.cdiv(rows, configuration.block_m),)](
            *arrays, rows, columns, *strides, eps,
            configuration.block_m, configuration.block_n, even, **options,
        )  # fmt: skip
    else:
        forward.forward_looped[(rows,)](
            *arrays, columns, *strides, eps, configuration.block_n, even, **options
        )


def run_backward(
    gradients: tuple[Any, Any],
    x: Any,
    statistics: tuple[Any, Any],
    weight: Any,
    out: tuple[Any, Any, Any],
    configuration: Configuration | None,
) -> None:
    """Fill (dx, dw, db), None where not wanted, from (dy, dz), with what suits them.

    Args:
        gradients: dy (M, N), and what is added to dx, or None.
        x: (M, N); what `run_forward` normalized.
        statistics: mean and rstd (M,) of it; without a mean, RMSNorm's.
        weight: (N,) or None.
        out: dx (M, N), dw and db (N,) contiguous.
        configuration: the configuration, or None for what suits.
    """
    if x.numel() == 0:
        for vector in filter(torch.is_tensor, out[1:]):
            vector.zero_()
        return
    exact = accumulator(x.dtype)
    mean, rstd = (None if s is None else s.to(exact).contiguous() for s in statistics)
    gain = None if weight is None else weight.contiguous()

    def launch(configuration: Configuration) -> None:
        launch_backward(gradients, x, (mean, rstd), gain, out, configuration)

    with torch.cuda.device_of(x):
        flags = (gradients[1], mean, gain, *out)
        launch(configuration or chosen(Direction.BACKWARD, x, flags, launch))


def accumulator(dtype: torch.dtype) -> torch.dtype:
    """Return the type of sums and statistics."""
    return torch.float64 if dtype is torch.float64 else torch.float32


def check_contiguous(*vectors: Any) -> None:
    """Raise ValueError where a ready buffer for a vector, None apart, has gaps."""
    for vector in vectors:
        if vector is not None and not vector.is_contiguous():
            raise ValueError(
                f"a ready buffer of shape {tuple(vector.shape)} has strides {vector.stride()}; "
                "mean, rstd, dw and db must be contiguous"
            )
