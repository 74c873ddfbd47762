"""What backends that call an operation's kernels share, whatever their arrays are."""

from collections.abc import Mapping
from typing import Any, ClassVar

from lnbench import registry
from lnbench.backend import (
    Availability,
    Available,
    Backend,
    Unavailable,
    UnsupportedError,
    missing_module,
)
from lnbench.operation import Operation
from lnbench.plan.case import Case


class KernelBackend(Backend):
    """Runs where no device, module or case stands against it."""

    modules: ClassVar[Mapping[str, str]] = {}
    """Module that must be installed → the reason shown where it is not."""

    def availability(self, device: str) -> Availability:
        """Return what `device_problem` says."""
        problem = self.device_problem(device)
        return Available() if problem is None else Unavailable(problem)

    def device_problem(self, device: str) -> str | None:
        """Return why the backend does not run on a device, or None where it does."""
        return missing_module(self.modules)

    def case_problem(self, case: Case) -> str | None:
        """Return why the backend does not compute a case, or None where it does."""
        return None

    def kernels_for(self, operation: Operation, case: Case) -> Any:
        """Return the kernels of a case; UnsupportedError where there are none."""
        kernels = registry.kernels(self, operation)
        if (problem := self.case_problem(case)) is not None:
            raise UnsupportedError(problem)
        return kernels
