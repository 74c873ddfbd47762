"""A benchmark in a worker: its routine, verified before and after it is timed."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from lnbench import registry
from lnbench.arrays import tensors_may_share_memory
from lnbench.backend import Backend, Routine
from lnbench.measure import messages, sampling, shared, verify
from lnbench.measure.cuda_timing import CudaTimer
from lnbench.measure.slowdown import slowing
from lnbench.measure.telemetry import Telemetry
from lnbench.measure.timing import HostTimer, iterations_for
from lnbench.measure.verify import WrongResultError
from lnbench.operation import Arrays, Operation
from lnbench.plan.case import Case, Output, Work
from lnbench.record.outcome import Agreement, Scalar

Call: TypeAlias = Callable[[], Any]

_CLOCKS = (HostTimer, CudaTimer)  # those of lnbench say what they are; a plug-in's need not


class Subject:
    """One routine and its clock."""

    def __init__(self, request: messages.Prepare) -> None:
        self.case: Case = request.benchmark.case
        self._folder = Path(request.folder)
        self._backend = registry.backend(request.benchmark.backend)
        self._operation = registry.operation(self.case.operation)
        self._inputs = shared.read(self._folder / "inputs")
        self._threads = request.threads
        self._routine = self._made()
        self._timer = self._backend.timer(self.case)
        self._telemetry = Telemetry.of(self.case.device)
        self._turns: list[Routine] = []
        self._slower: Callable[[Call], Call] | None = None
        if request.slowdown:
            self._warm_up()  # it measures how long a cycle is
            run, device = self._routine.run, self.case.device
            self._slower = slowing(run, request.slowdown, self._timer, device)
            self._routine.run = self._slower(self._routine.run)  # type: ignore[method-assign]
        self._timed = self._routine.run
        self._iterations = request.iterations or 1
        self._first: Any = None
        self._first_call_s = 0.0
        self._warm = False

    def first_call(self) -> None:
        """Make the very first call; compilation is in its time."""

        def call() -> Any:
            results = self._routine.run()
            self._timer.synchronize()
            return results

        self._first, self._first_call_s = sampling.stopwatch(call)

    def ready(self, request: messages.Prepare) -> messages.Prepared:
        """Verify as far as asked, then find how many calls make a sample."""
        outputs = dict(self._routine.host(self._first))
        agreement = (
            None if request.torch_errors is None else self._agree(outputs, request.torch_errors)
        )
        digest = verify.checksum(outputs)
        is_limit = self._backend.bulk(self._operation, self.case) is not None
        if self.case.options.output is Output.ALLOCATED and not is_limit:
            refuse_shared_memory(self._first, outputs, self._routine)
        del outputs
        self._first = None
        peak = None
        if request.iterations is None:
            peak = sampling.peak_extra_bytes(self._routine.run, self.case.device)
        self._settle(request.clock)
        if request.iterations is None:
            self._iterations = iterations_for(self._timer, self._timed)
        return messages.Prepared(
            first_call_s=self._first_call_s,
            iterations=self._iterations,
            checksum=digest,
            agreement=agreement,
            peak_extra_bytes=peak,
            work=work(self._backend, self._operation, self.case),
            details=dict(self._routine.details()) | self._clock_details(),
            clock=self._timer.clock if isinstance(self._timer, CudaTimer) else "",
        )

    def sample(self, iterations: int | None) -> messages.Sampled:
        """Take one sample of that many calls, or of as many as were found to be enough.

        A sample under clocks that are held down is taken again, a few times at most.
        """
        if not self._warm:
            self._warm_up()
            self._warm = True
        calls, cache = iterations or self._iterations, self.case.options.cache

        def take() -> tuple[tuple[float, float], float]:
            return sampling.stopwatch(
                lambda: sampling.take_sample(self._timed, self._timer, calls, cache)
            )

        ((seconds, faults), spent_s), reading = self._telemetry.watched(take)
        return messages.Sampled(seconds, faults, reading, spent_s)

    def finish(self, *, count_kernels: bool) -> messages.Finished:
        """Return the digest of one more call's outputs, and how many kernels a call launches."""
        digest = verify.checksum(self._routine.host(self._routine.run()))
        kernels = None
        if count_kernels:
            kernels = sampling.kernel_count(self._routine.run, self.case.device)
        return messages.Finished(digest, kernels)

    def verify(self, torch_errors: Mapping[str, float]) -> messages.Verified:
        """Compare one more call's outputs with the truth."""
        outputs = self._routine.host(self._routine.run())
        return messages.Verified(self._agree(outputs, torch_errors), verify.checksum(outputs))

    def close(self) -> None:
        """Let go of what the routines took beside their arrays."""
        for routine in (self._routine, *self._turns):
            routine.close()

    def _made(self) -> Routine:
        return make_routine(self._backend, self._operation, self.case, self._inputs, self._threads)

    def _warm_up(self) -> None:
        """Bring the clocks of a GPU up, which has been idle while the host compared results."""

        def work() -> None:
            self._routine.run()
            self._timer.synchronize()

        if self.case.device_type == "cuda":
            self._telemetry.warm(work)

    def _settle(self, clock: str) -> None:
        """Let a clock that goes several ways choose; short cold kernels take turns on copies."""
        self._warm_up()
        if isinstance(self._timer, CudaTimer):
            moved = work(self._backend, self._operation, self.case).bytes_moved
            self._timed = self._timer.settle(self._timed, self._copies, moved, clock)

    def _copies(self, count: int) -> list[Call]:
        """Return that many more routines, each on inputs of its own and called once."""
        self._turns = [self._made() for _ in range(count)]
        for routine in self._turns:
            routine.run()
        calls = [routine.run for routine in self._turns]
        return calls if self._slower is None else list(map(self._slower, calls))

    def _clock_details(self) -> dict[str, Scalar]:
        return dict(self._timer.details()) if isinstance(self._timer, _CLOCKS) else {}

    def _agree(self, outputs: Arrays, torch_errors: Mapping[str, float]) -> Agreement:
        truths = self._backend.truth(self._operation, self.case, self._inputs)
        if truths is None:
            truths = shared.read_truths(self._folder / "truth")
        return require_agreement(
            self._backend, verify.agreement(outputs, truths, torch_errors), torch_errors
        )


def work(backend: Backend, operation: Operation, case: Case) -> Work:
    """Return the compulsory work of a case, or what the speed limit moves in its stead."""
    bulk = backend.bulk(operation, case)
    if bulk is None:
        return operation.work(case)
    return Work(bulk.arrays_moved * case.rows * case.columns * case.dtype.itemsize, 0)


def make_routine(
    backend: Backend, operation: Operation, case: Case, inputs: Arrays, threads: int
) -> Routine:
    """Return a backend's routine, on all the CPUs that the session may use where it has threads.

    Kernels of other authors launch on the current device, which is made that of the case: it has a
    number, without which torch refuses it.
    """
    if case.device_type == "cuda":
        import torch

        torch.cuda.set_device(case.device)
    cpus = os.environ.get("LNBENCH_CPUS")
    if not backend.torch_threads and cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [int(cpu) for cpu in cpus.split(",")][:threads])
    return backend.routine(operation, case, inputs, threads)


def require_agreement(
    backend: Backend, agreement: Agreement, torch_errors: Mapping[str, float]
) -> Agreement:
    """Return the agreement if it may be timed; WrongResultError where it may not.

    A third-party kernel may exceed the ceiling, not twice torch's own error.
    """
    if agreement.passed or (backend.third_party and as_good_as_torch(agreement, torch_errors)):
        return agreement
    raise WrongResultError(wrong_text(agreement))


def as_good_as_torch(agreement: Agreement, torch_errors: Mapping[str, float]) -> bool:
    """Return whether no output is further off than twice torch's own error, ceiling or not."""
    return all(
        output.passed or output.max_relative <= 2 * torch_errors.get(name, 0.0)
        for name, output in agreement.outputs.items()
    )


def wrong_text(agreement: Agreement) -> str:
    """Return which outputs are off, and by how much."""
    return "; ".join(
        f"{name} is off by {output.max_error:.3g} "
        f"({output.max_relative:.2g} of its scale, {output.allowed:.2g} allowed)"
        for name, output in agreement.outputs.items()
        if not output.passed
    )


def refuse_shared_memory(results: Any, outputs: Arrays, routine: Routine) -> None:
    """Raise where the next call hands back memory that this call's results still use.

    Args:
        results: of a call.
        outputs: the same on the host, which of a device's tensors are copies.
        routine: makes the next call.
    """
    import numpy as np

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


def _on_device(results: Any) -> list[Any]:
    """Return the results that are tensors on a device."""
    listed = results if isinstance(results, tuple | list) else [results]
    return [result for result in listed if not getattr(result, "is_cpu", True)]
