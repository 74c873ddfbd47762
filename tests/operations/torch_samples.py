"""torch's own samples for layer_norm, against any implementation that takes tensors.

No test file: `test_torch_samples.py` calls `check` here, and a process of its own may do so too.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import torch

DTYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)

_TOLERANCES = {  # relative and absolute, against float64: torch's own, but tight for float64
    torch.float64: (1e-12, 1e-12),
    torch.float32: (1.3e-6, 1e-5),
    torch.float16: (1e-3, 1e-5),
    torch.bfloat16: (1.6e-2, 1e-5),
}


class Sample(NamedTuple):
    """Arguments of one call of layer_norm."""

    x: Any
    normalized_shape: tuple[int, ...]
    weight: Any = None
    bias: Any = None
    eps: float = 1e-5

    def cast(self, dtype: Any) -> "Sample":
        """Return the sample with its tensors in another type."""
        cast = (each.to(dtype) if isinstance(each, torch.Tensor) else each for each in self)
        return Sample(*cast)


@cache
def _entries() -> dict[str, Any]:
    """Return the entries of torch's operator database; importing it takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db

    names = ("nn.functional.layer_norm", "native_layer_norm")
    found = {each.name: each for each in op_db if each.name in names}
    assert sorted(found) == sorted(names), "torch renamed its entries"
    return found


def samples(dtype: Any) -> Iterator[Sample]:
    """Yield torch's sample inputs and reference inputs, each contiguous and not."""
    torch.manual_seed(0)
    for entry in _entries().values():
        for drawn in (entry.sample_inputs, entry.reference_inputs):
            for each in drawn("cpu", dtype, requires_grad=False):
                for sample in (each, each.noncontiguous()):
                    yield Sample(sample.input, *sample.args, **sample.kwargs)


def check(
    layer_norm: Callable[..., Any], dtypes: Sequence[Any] = DTYPES, slack: float = 0.0
) -> int:
    """Return how many of torch's samples were compared; AssertionError where one is off.

    Args:
        layer_norm: takes (x, normalized_shape, weight, bias, eps), all tensors, and returns y.
        dtypes: the element types to draw samples in.
        slack: absolute error allowed beyond torch's tolerances.
    """
    count = 0
    for dtype in dtypes:
        relative, absolute = _TOLERANCES[dtype]
        for sample in samples(dtype):
            y = layer_norm(*sample)
            assert y.dtype == dtype, f"y of {dtype} is {y.dtype}"
            torch.testing.assert_close(
                y.double(),
                torch.nn.functional.layer_norm(*sample.cast(torch.float64)),
                rtol=relative,
                atol=absolute + slack,
                equal_nan=True,  # a sample has a negative eps
            )
            count += 1
    return count


def check_errors(layer_norm: Callable[..., Any]) -> int:
    """Return how many of torch's wrong calls were refused; AssertionError where one was not."""
    count = 0
    for each in _entries()["native_layer_norm"].error_inputs("cpu"):
        sample = Sample(each.sample_input.input, *each.sample_input.args)
        try:
            layer_norm(*sample)
        except (ValueError, RuntimeError):
            count += 1
        else:
            raise AssertionError(f"no error, where torch says: {each.error_regex}")
    return count
