"""A benchmark in a worker: its routine, verified before and after it is timed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from lnbench import registry
from lnbench.backend import Routine, Timer
from lnbench.measure import energy, messages, sampling, shared, verify
from lnbench.measure.aliasing import (
    refuse_changed_inputs,
    refuse_inputs_memory,
    refuse_shared_memory,
)
from lnbench.measure.cuda_timing import CudaTimer
from lnbench.measure.limits import compulsory
from lnbench.measure.profile_messages import Profile, Profiled
from lnbench.measure.profiling import profile
from lnbench.measure.routine import make_routine, plain
from lnbench.measure.shared import INPUTS
from lnbench.measure.slowdown import slowing
from lnbench.measure.telemetry import Telemetry
from lnbench.measure.timing import HostTimer, iterations_for
from lnbench.measure.watch import Watch
from lnbench.operation import Arrays
from lnbench.plan.case import Cache, Case, Output
from lnbench.record.outcome import Scalar

Call: TypeAlias = Callable[[], Any]

_CLOCKS = (HostTimer, CudaTimer)  # those of lnbench say what they are; a plug-in's need not


class Subject:
    """One routine and its clock."""

    def __init__(self, request: messages.Prepare) -> None:
        self.case: Case = request.benchmark.case
        self._backend = registry.backend(request.benchmark.backend)
        self._operation = registry.operation(self.case.operation)
        self._inputs = shared.read(Path(request.folder) / INPUTS)
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
        self._limit = registry.is_limit(self._backend.name)
        self._watch = Watch(
            self._operation, self.case, self._inputs, Path(request.folder), limit=self._limit
        )

    def first_call(self) -> None:
        """Make the very first call; compilation is in its time."""

        def call() -> Any:
            results = self._routine.run()
            self._timer.synchronize()
            return results

        self._first, self._first_call_s = sampling.stopwatch(call)

    def ready(self, request: messages.Prepare) -> messages.Prepared:
        """Hand the first outputs to the referee, then find how many calls make a sample."""
        outputs = dict(self._routine.host(self._first))
        verify.refuse_elements(outputs)
        digest = verify.checksum(outputs)
        if request.results:
            refuse_changed_inputs(self._routine, self._inputs)
            refuse_inputs_memory(self._routine, self._first, outputs)
        if self.case.options.output is Output.ALLOCATED and not self._limit:
            refuse_shared_memory(self._first, outputs, self._routine)
        if request.results:
            shared.write(Path(request.results), outputs)
        sums = self._watch.first(self._first, outputs)
        watched = self._watch.able(self._routine)
        del outputs
        self._first = None
        peak = None
        if request.iterations is None:
            peak = sampling.peak_extra_bytes(self._routine.run, self.case.device)
        self._settle(request.clock)
        if request.iterations is None:
            renew = self._watch.another(self._routine) if watched else None
            self._iterations = iterations_for(self._timer, self._timed, renew=renew)
            self._watch.restore(self._routine)
        return messages.Prepared(
            first_call_s=self._first_call_s,
            iterations=self._iterations,
            checksum=digest,
            peak_extra_bytes=peak,
            details=plain(self._routine.details()) | self._clock_details(),
            clock=self._timer.clock if isinstance(self._timer, CudaTimer) else "",
            watched=watched,
            sums=sums,
        )

    def sample(self, request: messages.TakeSample) -> messages.Sampled:
        """Take one sample of that many calls, or of as many as were found to be enough.

        A sample under clocks that are held down is taken again, a few times at most.
        """
        if not self._warm:
            self._warm_up()
            self._warm = True
        calls, hot = request.iterations or self._iterations, self.case.options.cache is Cache.HOT
        timer = self._hot_timer() if request.at_once else self._timer
        routine, new = self._turns[-1] if self._turns else self._routine, request.fresh

        def renew() -> None:
            if new is not None:
                self._watch.renew(routine, new, last=request.last)

        def take() -> tuple[tuple[float, float, Any], float]:
            return sampling.stopwatch(
                lambda: sampling.take_sample(
                    self._timed, timer, calls, warm=hot and not request.at_once, renew=renew
                )
            )

        # What runs as soon as garbage is collected again must find the new values gone.
        kept: Arrays = {}
        with sampling.no_collection():
            ((seconds, faults, results), spent_s), reading = self._telemetry.watched(take)
            if new is not None:
                kept = self._watch.keep(routine, results, new, last=request.last)
        row, digest = shared.packed(kept), None
        if kept and not self._operation.rows_stand_alone:
            shared.write(Path(request.results), kept)
            row, digest = {}, verify.checksum(kept)
        return messages.Sampled(seconds, faults, reading, spent_s, row, digest)

    def _hot_timer(self) -> Timer:
        options = msgspec.structs.replace(self.case.options, cache=Cache.HOT)
        return self._backend.timer(msgspec.structs.replace(self.case, options=options))

    def check_memory(self, request: messages.CheckMemory) -> messages.MemoryChecked:
        """Time single calls on new values, each followed by one on the same written once more."""
        timer, routine, watch = HostTimer(), self._routine, self._watch
        seconds: tuple[list[float], list[float]] = ([], [])
        rows: list[messages.NewRow] = []
        with sampling.no_collection():
            sampling.warm_up(self._timed, timer)
            for number, new in enumerate(request.fresh):
                for times in seconds:
                    if request.factor:
                        watch.scale(routine, request.factor * (-1) ** number / (1 + number))
                    watch.renew(routine, new, last=False)
                    spent_s, results = timer.sample(self._timed, 1)
                    times.append(spent_s)
                    if times is seconds[0]:
                        kept = watch.keep(routine, results, new, last=False)
                        rows.append(messages.NewRow(new, shared.packed(kept)))
                watch.restore(routine, new.row)
                if not request.factor:
                    self._timed()
            if request.factor:
                watch.scale(routine, 1)
        new_s, same_s = map(tuple, seconds)
        return messages.MemoryChecked(new_s, same_s, tuple(rows))

    def energy(self) -> messages.EnergyMeasured:
        """Return what a call costs in joules, or why that is not known."""
        if self.case.options.cache is Cache.COLD:
            return messages.EnergyMeasured(reason="energy of cold calls has their flushes in it")
        call_s = self._timer.time(self._timed, self._iterations) / self._iterations

        def calls(number: int) -> None:
            for _ in range(number):
                self._routine.run()
            self._timer.synchronize()

        try:
            return energy.measured(self._telemetry.energy(self.case.device), calls, call_s)
        except energy.EnergyError as error:
            return messages.EnergyMeasured(reason=str(error))
        # What a counter raises says nothing of the row, which is right and timed.
        except Exception as error:  # noqa: BLE001
            return messages.EnergyMeasured(reason=f"its counter cannot be read: {error}")

    def profile(self, request: Profile) -> Profiled:
        """Return what a profiler sees of calls in a marked range."""
        self._warm_up()
        return profile(
            request,
            self.case,
            self._routine.run,
            self._timed,
            self._timer,
            self._iterations,
            by_torch=self._backend.torch_threads or self.case.device_type != "cpu",
        )

    def finish(self, request: messages.Finish) -> messages.Finished:
        """Return the digest of one more call's outputs, and how many kernels a call launches."""
        results = self._routine.run()
        outputs = self._routine.host(results)
        digest = verify.checksum(outputs)
        if request.look_closely and self.case.options.output is Output.ALLOCATED:
            refuse_shared_memory(results, outputs, self._routine)
        kernels = None
        if request.count_kernels:
            kernels = sampling.kernel_count(self._routine.run, self.case.device)
        return messages.Finished(digest, kernels)

    def deliver(self, results: str) -> messages.Delivered:
        """Hand the outputs of one more call to the referee."""
        outputs = self._routine.host(self._routine.run())
        shared.write(Path(results), outputs)
        return messages.Delivered(verify.checksum(outputs))

    def parts(self) -> dict[str, object]:
        """Return lnbench's own objects that a measurement passes through; a plug-in has its own."""
        own = {"subject": self, "watch": self._watch}
        if registry.is_plug_in(self._backend.name):
            return own
        made = {"backend": self._backend, "routine": self._routine, "timer": self._timer}
        return {**own, **made}

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
            moved = compulsory(self.case, self._backend.name).bytes_moved
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
