"""What is asked of the arrays that a kernel is given, in a sentence where it is not so."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def must_fit(shape: tuple[int, ...], dtype: Any = None, **arrays: Any) -> None:
    """ValueError where an argument has another shape than x asks for, or another type."""
    for name, array in arrays.items():
        if array.shape != shape:
            raise ValueError(f"{name} has shape {array.shape}, but x asks for {shape}")
        if dtype is not None and array.dtype != dtype:
            raise ValueError(f"{name} has type {array.dtype}, but x has {dtype}")


def must_be_apart(results: Sequence[Any] | None, **inputs: Any) -> None:
    """ValueError where a result would lie in an input of its shape that is still to be read."""
    for name, array in inputs.items():
        for result in results or ():
            same = array is not None and array.shape == result.shape
            if same and np.may_share_memory(result, array):
                raise ValueError(f"out shares memory with {name}: give it a buffer of its own")
