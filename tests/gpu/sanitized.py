"""Every tier once on small shapes, for compute-sanitizer; `run.sh sanitizer` calls it.

compute-sanitizer --tool memcheck python tests/gpu/sanitized.py
"""

import sys

import torch

from lnbench.operations.add_layernorm import triton as add_layernorm
from lnbench.operations.layernorm import triton as layernorm
from lnbench.operations.rmsnorm import triton as rmsnorm
from lnbench.operations.rowwise.triton.tiers import Configuration

FORWARD = [
    None,
    Configuration("rows", 4, 256, 4),
    Configuration("looped", 1, 64, 2),
    Configuration("rows", 2, 256, 2),
    Configuration("split", 1, 32, 2, chunk=64),
]
BACKWARD = [
    None,
    Configuration("rows", 2, 256, 4, stages=2),
    Configuration("twice", 1, 256, 4),
    Configuration("columns", 2, 64, 2),
    Configuration("separate", 2, 32, 2, stages=2, chunk=64),
]


def main() -> int:
    """Run every tier on shapes that no block divides; return 1 where a result is not finite."""
    wrong = 0
    for rows, columns in ((1, 7), (3, 200), (37, 129)):
        x, other, dy = (torch.randn(rows, columns, device="cuda") for _ in range(3))
        weight = torch.randn(columns, device="cuda")
        for forward, backward in zip(FORWARD, BACKWARD, strict=True):
            y, mean, rstd = layernorm.forward(x, weight, weight, 1e-5, configuration=forward)
            given = (dy, x, mean, rstd, weight, True)
            results = [y, *layernorm.backward(*given, configuration=backward)]
            y, rstd = rmsnorm.forward(x, weight, 1e-5, configuration=forward)
            results += [y, *rmsnorm.backward(dy, x, rstd, weight, configuration=backward)]
            y, z, mean, rstd = add_layernorm.forward(
                x, other, weight, weight, 1e-5, configuration=forward
            )
            given = (dy, dy, z, mean, rstd, weight, True)
            results += [y, *add_layernorm.backward(*given, configuration=backward)]
            wrong += sum(not bool(torch.isfinite(each).all()) for each in results)
    torch.cuda.synchronize()
    print(f"{wrong} results are not finite")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
