"""A benchmark under a profiler, in its worker: calls in a marked range, and what is seen."""

import itertools
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from lnbench.backend import Timer
from lnbench.measure import counters, operators, samples, sampling
from lnbench.measure.profile_messages import Profile, Profiled
from lnbench.plan.case import Case
from lnbench.plan.profilers import MARK

_TIMES = 5
_COUNTED_S = 0.05  # at least as long is counted, so that what begins and ends it weighs little
_BETWEEN_LOOKS_S = 0.02

Call = Callable[[], object]


def profile(
    request: Profile,
    case: Case,
    call: Call,
    timed: Call,
    timer: Timer,
    iterations: int,
    *,
    by_torch: bool,
) -> Profiled:
    """Return what is seen of a routine that is ready.

    Args:
        request: who looks.
        case: what it computes.
        call: the routine.
        timed: what its clock calls in its place.
        timer: that clock.
        iterations: calls of a sample.
        by_torch: whether torch's profiler sees what it does.
    """
    with sampling.no_collection():
        taken = [sampling.take_sample(timed, timer, iterations, warm=True) for _ in range(_TIMES)]
        time_s = statistics.median(seconds for seconds, _, _ in taken)
        faults = statistics.fmean(faults for _, faults, _ in taken)
        calls = request.calls or _calls(request, case, time_s)
        found = Profiled(calls, time_s, faults)
        if request.profiler == "outside":
            with _range(case, request.control):
                marked(call, calls)
                timer.synchronize()
        elif request.profiler == "proton":
            _under_proton(call, timer, calls, request.file)
        elif by_torch:
            trace = Path(request.file) if request.file else None
            found = _by_torch(found, case, call, timer, trace)
        else:
            found = _sampled(found, call)
        own = request.profiler == "own" and case.device == "cpu"
        return _counted(found, call) if own else found


def marked(call: Call, calls: int) -> None:
    """Make the calls; samples know them by this frame."""
    for _ in itertools.repeat(None, calls):
        call()


def _by_torch(
    found: Profiled, case: Case, call: Call, timer: Timer, trace: Path | None
) -> Profiled:
    """Return what was found with torch's operators or kernels."""
    seen = operators.seen(call, timer.synchronize, found.calls, case.dtype.itemsize, trace)
    return msgspec.structs.replace(
        found, profiler="torch", spots=seen.spots, operator_bytes=seen.bytes_moved
    )


def _calls(request: Profile, case: Case, time_s: float) -> int:
    """Return how many calls show something: of one, a profiler that samples sees nothing."""
    outside = request.profiler == "outside" and case.device == "cpu"
    return max(1, round(samples.SAMPLED_S / time_s)) if outside else 1


def _sampled(found: Profiled, call: Call) -> Profiled:
    """Return what was found with the lines that the calls are in, or why they are not known."""
    between = max(1, round(_BETWEEN_LOOKS_S / found.time_s))
    done = 0

    def calls(wanted: Callable[[], bool]) -> None:
        nonlocal done
        while wanted():
            marked(call, between)
            done += between

    try:
        spots = samples.sampled(calls)
    except samples.SamplesError as error:
        return msgspec.structs.replace(found, unseen=str(error))
    unseen = "" if spots else "no sample fell into a call"
    return msgspec.structs.replace(found, profiler="py-spy", calls=done, spots=spots, unseen=unseen)


def _counted(found: Profiled, call: Call) -> Profiled:
    """Return what was found with the processor's counts of a call, or why there are none."""
    number = max(1, round(_COUNTED_S / found.time_s))
    try:
        counts = counters.counted(lambda: marked(call, number))
    except counters.CountersError as error:
        return msgspec.structs.replace(found, uncounted=str(error))
    a_call = {name: count / number for name, count in counts.items()}
    return msgspec.structs.replace(found, counters=a_call)


def _under_proton(call: Call, timer: Timer, calls: int, file: str) -> None:
    """Have Triton's profiler write what it sees; it adds its own ending to the name."""
    from triton import profiler

    session = profiler.start(file)
    with profiler.scope(MARK):
        marked(call, calls)
        timer.synchronize()
    profiler.finalize(session)


@contextmanager
def _range(case: Case, control: str) -> Iterator[None]:
    """Mark what is done meanwhile, for a profiler that watches the process from outside."""
    if control:
        _tell(control, "enable")
    if case.device_type == "cuda":
        import torch

        torch.cuda.nvtx.range_push(MARK)
    yield
    if case.device_type == "cuda":
        torch.cuda.nvtx.range_pop()
    if control:
        _tell(control, "disable")


def _tell(control: str, word: str) -> None:
    """Say a word to `perf record --control fifo:…`, and wait until it is done."""
    with open(control, "w", encoding="ascii") as pipe:  # noqa: PTH123  (it is no file)
        pipe.write(f"{word}\n")
    with open(control.removesuffix(".control") + ".ack", encoding="ascii") as pipe:  # noqa: PTH123
        pipe.readline()
