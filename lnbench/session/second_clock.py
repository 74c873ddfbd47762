"""The session's own clock beside a worker's, and what a row's process is doing in a pass."""

import math
import os
import random
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

from lnbench.measure import messages
from lnbench.measure.limits import impossible
from lnbench.plan.case import Case
from lnbench.session.ledger import Ledger
from lnbench.units import format_time
from lnbench.workers.handle import WorkerHandle

CLOCK_PASSES = 16
"""Beside a row's first process one of so many is held to the session's clock, drawn at random."""

WATCHED_PASSES = 4
"""In every sample of a row's first process, and of one in so many of the others, inputs are new."""

_STRETCH_S = 0.006  # of calls: long beside a message and its answer, short beside a pass
_MOST_CALLS = 2000
_TRIES = 5  # on a machine that others keep busy one may contradict
_SLACK_S = 1.5e-3  # what a message, its answer and a process that wakes may take
_SLACK_SHARE = 0.25
_NEVER_TIMES = 2  # of what a clock says can pass for want of a CPU alone, in every try
_PAIRS = 15  # of calls on new values and on the same again
_SHOWN_RATIO = 1.3  # of the shortest and of the median, in every try: noise has stayed below 1.1
_WHOLE_SHARE = 0.5  # of samples with a row that is new in all elements


@dataclass
class Taker:
    """A row's worker in one pass."""

    row: Ledger
    worker: WorkerHandle
    results: Path
    """Where it puts what the referee is to see."""
    threads: int
    """Threads that it may use."""
    watched: bool
    """Whether its inputs are new in every sample of this pass."""
    new: list[messages.Fresh] = field(default_factory=list)
    """What its inputs were given, sample by sample."""

    def fresh(self, rows: int, rng: random.Random, *, last: bool) -> messages.Fresh:
        """Return what the inputs are given before the next sample; all of a row at the last."""
        self.new.append(_fresh(rows, rng, whole=last or rng.random() < _WHOLE_SHARE))
        return self.new[-1]


def sample_problem(row: Ledger, sample: messages.Sampled, passed_s: float) -> str:
    """Return why a sample that `passed_s` seconds passed beside cannot be one, or nothing."""
    said_s = sample.time_s * (row.iterations or 1)
    if passed_s < said_s < math.inf:
        return f"its clock says {format_time(said_s)} where {format_time(passed_s)} passed"
    return impossible(sample.time_s, row.work, row.benchmark.case)


def clock_problem(taker: Taker, case: Case, limit_s: float, rng: random.Random) -> str:
    """Return how the times of a worker contradict what passed meanwhile; empty where they do not.

    On the CPU alone: a GPU's clock runs beside the host's.
    """
    times = taker.row.samples[-1].values()
    if case.device_type != "cpu" or not times:
        return ""
    time_s = min(sample.time_s for sample in times)
    calls = max(1, min(_MOST_CALLS, int(_STRETCH_S / time_s)))
    for _ in range(_TRIES):
        if not (problem := _contradiction(*_look(taker, calls, limit_s), taker.threads)):
            break
    else:
        return problem
    # A sample of one call has no earlier one on its new values that it could have kept.
    if not taker.row.watched or taker.row.iterations == 1:
        return ""
    return _memory_problem(taker, case, limit_s, rng)


def _look(taker: Taker, calls: int, limit_s: float) -> tuple[float, float, float]:
    """Return the seconds that calls took: by the worker, by the session, and of its CPUs.

    What the worker or the session waited for a CPU, on a machine that others keep busy, is taken
    off what the session saw pass.
    """
    pids = (taker.worker.pid, os.getpid())
    cpu_s, waited_s = _cpu_s(pids[0]), sum(map(_waited_s, pids))
    begun = time.monotonic()
    said = taker.worker.ask(messages.CheckClock(calls), messages.ClockChecked, limit_s)
    passed_s = time.monotonic() - begun
    waited_s = sum(map(_waited_s, pids)) - waited_s
    # A wait among the calls is in what the clock says: a changed one must not hide behind it.
    if passed_s <= _NEVER_TIMES * said.seconds + _TRIES * _SLACK_S:
        passed_s -= waited_s
    taker.worker.stop()
    return said.seconds, passed_s, _cpu_s(pids[0]) - cpu_s


def _contradiction(said_s: float, passed_s: float, cpu_s: float, threads: int) -> str:
    allowed_s = said_s * (1 + _SLACK_SHARE) + _SLACK_S
    if passed_s > allowed_s:
        return (
            f"its clock says {format_time(said_s)} where {format_time(passed_s)} passed: "
            "work is not timed, or the clock was changed"
        )
    if cpu_s > threads * allowed_s:
        return (
            f"{format_time(cpu_s)} of CPU time were used in calls that are said to have taken "
            f"{format_time(said_s)} on {threads} thread{'s' * (threads > 1)}: it works on after "
            "it has returned, or with more threads"
        )
    return ""


def _memory_problem(taker: Taker, case: Case, limit_s: float, rng: random.Random) -> str:
    """Return that calls on new values take longer than calls on the same ones again."""
    new = tuple(_fresh(case.rows, rng, whole=True) for _ in range(_PAIRS))
    alike = 0
    for _ in range(_TRIES):
        request = messages.CheckMemory(new)
        found = taker.worker.ask(request, messages.MemoryChecked, limit_s)
        taker.worker.stop()
        sides = found.new_s, found.same_s
        shortest, typical = ([how(side) for side in sides] for how in (min, statistics.median))
        alike += min(shortest[0] / shortest[1], typical[0] / typical[1]) < _SHOWN_RATIO
        if alike == 2:  # noqa: PLR2004  (one may be, on a machine that others keep busy)
            return ""
    return (
        f"a call takes {format_time(typical[0])} after a row of its inputs is new, and "
        f"{format_time(typical[1])} after the same values are written again: results are kept "
        "from call to call"
    )


def _fresh(rows: int, rng: random.Random, *, whole: bool) -> messages.Fresh:
    return messages.Fresh(rng.randrange(rows), rng.getrandbits(32), whole)


def _waited_s(pid: int) -> float:
    """Return the seconds that a process was ready and had no CPU; 0 where Linux does not count."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) * 1e-9
    except (OSError, ValueError, IndexError):
        return 0.0


def _cpu_s(pid: int) -> float:
    """Return the seconds that all threads of a process have had of its CPUs; 0 where none can tell.

    The clock of another process is -8 · pid - 6 to Linux (include/linux/posix-timers.h).
    """
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except (OSError, ValueError, OverflowError, AttributeError):
        return 0.0
