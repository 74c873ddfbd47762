"""Whose memory results lie in: neither an input's nor that of the results before."""

from typing import Any

import numpy as np

from lnbench.arrays import tensors_may_share_memory, to_host
from lnbench.backend import Routine
from lnbench.measure.verify import WrongResultError
from lnbench.operation import Arrays


def refuse_shared_memory(results: Any, outputs: Arrays, routine: Routine) -> None:
    """Raise where the next call hands back memory that this call's results still use.

    Args:
        results: of a call.
        outputs: the same on the host, which of a device's tensors are copies.
        routine: makes the next call.
    """
    following = routine.run()
    before, after = _on_device(results), _on_device(following)
    if len(before) == len(after) == len(outputs):
        pairs = zip(outputs, before, after, strict=True)
        shared = [name for name, one, other in pairs if tensors_may_share_memory(one, other)]
    else:
        again = routine.host(following)
        shared = [name for name in outputs if np.may_share_memory(outputs[name], again[name])]
    for name in shared:
        raise WrongResultError(
            f"{name} shares memory with the {name} of the call before, which a user still holds"
        )


def refuse_changed_inputs(routine: Routine, inputs: Arrays) -> None:
    """Raise where a call has written into what it was given."""
    for name, array in (getattr(routine, "arrays", None) or {}).items():
        now = to_host(array) if hasattr(array, "data_ptr") else array
        if name in inputs and not np.array_equal(_bits(now), _bits(inputs[name])):
            raise WrongResultError(f"a call wrote into {name}, which is a user's own")


def refuse_inputs_memory(routine: Routine, results: Any, outputs: Arrays) -> None:
    """Raise where a result lies in the memory of an input."""
    on_device = _on_device(results)
    for name, array in (getattr(routine, "arrays", None) or {}).items():
        if hasattr(array, "data_ptr") and not array.is_cpu:
            inside = [tensors_may_share_memory(result, array) for result in on_device]
            found = "a result" if any(inside) else ""
        else:
            own = to_host(array) if hasattr(array, "data_ptr") else array
            found = next((n for n in outputs if np.may_share_memory(outputs[n], own)), "")
        if found:
            raise WrongResultError(f"{found} lies in the memory of {name}, which is a user's own")


def _bits(array: Any) -> Any:
    return np.ascontiguousarray(array).view(np.uint8)


def _on_device(results: Any) -> list[Any]:
    """Return the results that are tensors on a device."""
    listed = results if isinstance(results, tuple | list) else [results]
    return [result for result in listed if not getattr(result, "is_cpu", True)]
