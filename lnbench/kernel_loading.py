"""A user's file, run in a worker, and the kernel that is found in it."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from lnbench.kernel_calls import KernelError, Kernels
from lnbench.plan.kernel import PICKLE, Kernel


def loaded(kernel: Kernel) -> Any:
    """Return the module of a kernel, after running it, or the function that was pickled."""
    sys.path.insert(0, kernel.folder)
    if kernel.path.endswith(PICKLE):
        import cloudpickle

        return cloudpickle.loads(Path(kernel.path).read_bytes())
    if kernel.module:
        return importlib.import_module(kernel.module)
    name = f"lnbench_kernel_{Path(kernel.path).stem}"
    spec = importlib.util.spec_from_file_location(name, kernel.path)
    if spec is None or spec.loader is None:
        raise KernelError(f"{Path(kernel.path).name} is no file of Python's")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # pickle, inspect and Triton look there
    spec.loader.exec_module(module)
    return module


def kernels_in(loaded: Any, kernel: Kernel) -> Kernels:
    """Return the functions of a module, or of what was pickled; KernelError where none will do."""
    if not isinstance(loaded, ModuleType):
        return _one(loaded)
    if kernel.attribute and kernel.attribute not in ("forward", "backward"):
        try:
            return _one(getattr(loaded, kernel.attribute))
        except AttributeError:
            raise KernelError(f"{kernel.name} is not there once the file has run") from None
    parts = [getattr(loaded, name, None) for name in ("forward", "backward", "step")]
    if any(callable(part) for part in parts):
        return Kernels(*parts)
    own = {
        name: value
        for name, value in vars(loaded).items()
        if not name.startswith("_")
        and callable(value)
        and getattr(value, "__module__", loaded.__name__) == loaded.__name__
    }
    if len(own) != 1:
        names = ", ".join(own) or "none"
        raise KernelError(f"no forward is defined, nor one function in its place: {names}")
    return _one(*own.values())


def _one(value: Any) -> Kernels:
    """Return the kernel that one function, callable or class is."""
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, type) and issubclass(value, torch.nn.Module):
        return Kernels(module=value)
    if not callable(value):
        raise KernelError(f"a {type(value).__name__} cannot be called")
    return Kernels(forward=value)
