"""LayerNorm in Triton, a row a program: lnbench calls `forward`.

lnbench check -b ./FILE           is it right?
lnbench run -b ./FILE,torch-eager how fast is it?

Without a GPU, TRITON_INTERPRET=1 lets Triton interpret it. Add `backward(dy, x, mean, rstd,
weight)`, which returns dx, dw and db, to time a gradient.
"""

import torch
import triton
import triton.language as tl


@triton.jit
def _forward(x, weight, bias, y, mean, rstd, columns, eps,
             HAS_WEIGHT: tl.constexpr, HAS_BIAS: tl.constexpr, WIDE: tl.constexpr,
             BLOCK: tl.constexpr):  # fmt: skip
    row = tl.program_id(0).to(tl.int64)
    column = tl.arange(0, BLOCK)
    inside = column < columns
    value = tl.load(x + row * columns + column, mask=inside, other=0.0).to(WIDE)
    average = tl.sum(value, axis=0) / columns
    centred = tl.where(inside, value - average, 0.0)
    centred -= tl.where(inside, tl.sum(centred, axis=0) / columns, 0.0)
    scale = 1 / tl.sqrt(tl.sum(centred * centred, axis=0) / columns + eps)
    result = centred * scale
    if HAS_WEIGHT:
        result *= tl.load(weight + column, mask=inside, other=0.0).to(WIDE)
    if HAS_BIAS:
        result += tl.load(bias + column, mask=inside, other=0.0).to(WIDE)
    tl.store(y + row * columns + column, result.to(y.dtype.element_ty), mask=inside)
    tl.store(mean + row, average)
    tl.store(rstd + row, scale)


def forward(x, weight, bias, eps):
    """Return y of shape (M, N), and mean and rstd of shape (M,)."""
    x = x.contiguous()
    rows, columns = x.shape
    y = torch.empty_like(x)
    double = x.dtype == torch.float64
    mean = torch.empty(rows, dtype=x.dtype if double else torch.float32, device=x.device)
    rstd = torch.empty_like(mean)
    if rows and columns:
        _forward[(rows,)](
            x, weight, bias, y, mean, rstd, columns, eps,
            HAS_WEIGHT=weight is not None, HAS_BIAS=bias is not None,
            WIDE=tl.float64 if double else tl.float32, BLOCK=triton.next_power_of_2(columns),
        )  # fmt: skip
    return y, mean, rstd
