"""Host arrays as torch's tensors and back; memory is shared where that is possible."""

import warnings
from typing import Any

from lnbench.plan.case import DType


def numpy_dtype(dtype: DType) -> Any:
    """Return NumPy's type for a name; bfloat16 is that of ml_dtypes."""
    import ml_dtypes
    import numpy as np

    return np.dtype(ml_dtypes.bfloat16 if dtype is DType.BFLOAT16 else dtype.value)


def dtype_of(array: Any) -> DType:
    """Return the name of a host array's or tensor's element type; ValueError where it has none."""
    return DType(str(array.dtype).removeprefix("torch."))


def own_copy(array: Any) -> Any:
    """Return a contiguous array copied into memory of its own; odd strides are kept as they are."""
    import numpy as np

    return np.array(array) if array.flags.c_contiguous else array


def to_torch(array: Any, device: str) -> Any:
    """Return a tensor with the array's values and strides on `device`.

    A contiguous array is copied into memory of torch's own allocator; one with odd strides (0 too)
    shares the array's memory on the CPU, since a copy would straighten it.
    """
    import numpy as np
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # mapped inputs are read-only, and stay so
        if array.dtype == numpy_dtype(DType.BFLOAT16):
            tensor = torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
        else:
            tensor = torch.from_numpy(array)
    if device != "cpu":
        return _strided_to(tensor, device)
    return tensor.clone() if tensor.is_contiguous() else tensor


def _strided_to(tensor: Any, device: str) -> Any:
    """Return the tensor on the device with its strides, those of 0 included."""
    if 0 not in tensor.stride():
        return tensor.to(device)
    narrow = tensor
    for dim, stride in enumerate(tensor.stride()):
        if stride == 0 and tensor.shape[dim] > 1:
            narrow = narrow.narrow(dim, 0, 1)
    return narrow.to(device).expand(tensor.shape)


def write(array: Any, rows: slice, values: Any) -> None:
    """Put host values into rows of a host array, or of a tensor on any device."""
    if not hasattr(array, "copy_"):
        array[rows] = values
    elif array.is_cpu:
        to_host(array)[rows] = values  # a view; between samples tensors cost three times as much
    else:
        array[rows].copy_(to_torch(values, "cpu"))


def to_host(tensor: Any) -> Any:
    """Return a tensor's values as a host array; on the CPU it shares the tensor's memory."""
    import torch

    tensor = tensor.detach().cpu()
    if tensor.dtype is torch.bfloat16:
        return tensor.view(torch.int16).numpy().view(numpy_dtype(DType.BFLOAT16))
    return tensor.numpy()


def torch_dtype(dtype: DType) -> Any:
    """Return torch's type for a name."""
    import torch

    return getattr(torch, dtype.value)


def tensors_may_share_memory(one: Any, other: Any) -> bool:
    """Return whether the bounds of two tensors overlap, as `np.may_share_memory` does of arrays."""
    (start, stop), (begin, end) = _bounds(one), _bounds(other)
    return start < end and begin < stop


def _bounds(tensor: Any) -> tuple[int, int]:
    """Return the address of the first byte, and that after the last."""
    start = tensor.data_ptr()
    if not tensor.numel():
        return start, start
    last = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
    return start, start + (last + 1) * tensor.element_size()
