"""torch.compile on devices without silicon: dynamo traces, asks CUDA what it asks, and guards.

What inductor would generate for a device is not: the function itself runs there.
"""

import functools

import torch
from cuda_tensors import CudaTensor, held, mapped, tensors_of

_real = torch.compile


def install():
    """Put it in place of torch's."""
    torch.compile = _compile


def _compile(function, *, dynamic=None, mode="default"):
    traced = _real(function, dynamic=dynamic, backend="eager", fullgraph=True)
    known = set()

    @functools.wraps(function)
    def compiled(*args, **options):
        given = tensors_of((*args, *options.values()))
        if not any(isinstance(each, CudaTensor) for each in given):
            return _real(function, dynamic=dynamic, mode=mode)(*args, **options)
        kinds = tuple((each.shape, each.dtype) for each in given)
        if kinds not in known:
            torch._inductor.list_mode_options(mode)
            others = {name: mapped(held, value) for name, value in options.items()}
            traced(*mapped(held, args), **others)
            known.add(kinds)
        return function(*args, **options)

    return compiled
