"""The session's own clock beside a worker's, and what a row's process is doing in a pass."""

import math
import os
import random
import statistics
import time
from typing import NamedTuple

import msgspec

from lnbench import registry
from lnbench.measure import messages
from lnbench.measure.limits import impossible
from lnbench.plan.case import Case
from lnbench.session import cpu_time
from lnbench.session.ledger import Ledger
from lnbench.session.taker import Taker
from lnbench.units import format_time

CLOCK_PASSES = 16
"""Beside a row's first process one of so many is held to the session's clock, drawn at random."""

WATCHED_PASSES = 4
"""In every sample of a row's first process, and of one in so many of the others, inputs are new."""

_STRETCH_S = 0.006  # of calls: long beside a message and its answer, short beside a pass
_MOST_CALLS = 2000
_TRIES = 5  # on a machine that others keep busy one may contradict
_BUSY_TRIES = 50  # where waits for a CPU would explain it: beside fifteen others, five are too few
_SLACK_S = 1.5e-3  # what a message, its answer and a process that wakes may take
_SLACK_SHARE = 0.25
_SINGLES = 8  # calls that are asked for one at a time
_SINGLE_SLACK_S = 5e-4
_COPY_S = 5e-8  # an element of a row
_CLAIM_TIMES = 1.6  # longer than its longest sample, for the machine may be slower by now
_NEVER_TIMES = 2  # of what a clock says can pass for want of a CPU alone, in every try
_WHOLE_S = 0.05  # of calls on inputs that are new in all values
_FEWEST_PAIRS = 3
_PAIRS = 15  # of calls on new values and on the same again
_SHOWN_RATIO = 1.3  # of the shortest and of the median, in every try: noise has stayed below 1.1
_SINGLE_TIMES = 2  # a call on inputs just written, beside those of samples
_SINGLE_TRIES = 20  # threads that others keep from their CPUs are late time and again
_SINGLE_CALL_S = 5e-5  # what a call alone may take longer, by waking threads and reading its code
_FETCH_BYTES_S = 2e10  # between caches of cores
_AGAIN = 4  # samples after a look that contradicts
_ALIKE = 2  # one try may be so by chance, on a machine that others keep busy
_WHOLE_SHARE = 0.5  # of samples with a row that is new in all elements


def new_row(rows: int, rng: random.Random, *, whole: bool = False) -> messages.Fresh:
    """Return what one of so many rows is given: all of it, or one element in one of two."""
    whole = whole or rng.random() < _WHOLE_SHARE
    return messages.Fresh(rng.randrange(rows), rng.getrandbits(32), whole)


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
    shortest_s, claimed_s = (how(sample.time_s for sample in times) for how in (min, max))
    calls = max(1, min(_MOST_CALLS, int(_STRETCH_S / shortest_s)))
    stretch = _Stretch(calls, claimed_s * calls, _SLACK_S)
    # What is new in a row, and what came of it, are copied beside a single call.
    single = _Stretch(1, claimed_s, _SINGLE_SLACK_S + _COPY_S * case.columns)
    alone = calls > 1 and not taker.plug_in and not math.isnan(cpu_time.waited_s(os.getpid()))
    for claim, asked in ((stretch, 1), (single, _SINGLES))[: 2 if alone else 1]:
        if problem := _contradiction(taker, claim, asked, limit_s, rng):
            return problem
    if not taker.row.watched:
        return ""
    pairs = max(_FEWEST_PAIRS, min(_PAIRS, int(_WHOLE_S / claimed_s)))
    new = tuple(new_row(case.rows, rng, whole=True) for _ in range(_PAIRS))
    problem = _memory_problem(taker, messages.CheckMemory(new[:pairs], 1.0), rng, limit_s)
    # A sample of one call has no earlier one on its new row that it could have kept.
    if problem or taker.row.iterations == 1:
        return problem
    return _memory_problem(taker, messages.CheckMemory(new), rng, limit_s)


def _contradiction(
    taker: Taker, claim: "_Stretch", asked: int, limit_s: float, rng: random.Random
) -> str:
    """Return how the shortest of some looks contradicts a claim, in five tries; else nothing."""
    case, unexplained = taker.row.benchmark.case, 0
    for _ in range(_BUSY_TRIES):
        look = min(_look(taker, claim.calls, case, limit_s, rng) for _ in range(asked))
        if not (problem := claim.contradiction(look, taker.threads)):
            break
        unexplained += bool(claim.contradiction(look.unwaited, taker.threads))
        if unexplained == _TRIES:
            return problem
        claim = claim.claiming(_sampled_again(taker, case, limit_s, rng))
    return ""


class _Look(NamedTuple):
    """Calls that were timed together, twice: by the worker and from outside."""

    passed_s: float
    """Of the session, without what either waited for a CPU."""
    said_s: float
    """Of the worker."""
    cpu_s: float
    """Of its CPUs."""
    waited_s: float = 0.0
    """What either waited beyond that, too much to be taken off without another try."""

    @property
    def unwaited(self) -> "_Look":
        """The same as if all of the wait were honest."""
        return self._replace(passed_s=self.passed_s - self.waited_s)


class _Stretch(NamedTuple):
    """Calls that the session times too, and what they may take."""

    calls: int
    claimed_s: float
    """By the longest of the row's samples."""
    slack_s: float

    def claiming(self, time_s: float) -> "_Stretch":
        """Return the same beside a sample of `time_s` a call: the machine may be slower by now."""
        return self._replace(claimed_s=max(self.claimed_s, time_s * self.calls))

    def contradiction(self, look: _Look, threads: int) -> str:
        """Return how what was said contradicts what was seen; empty where it does not."""
        said_s = min(look.said_s, _CLAIM_TIMES * self.claimed_s)
        allowed_s = said_s * (1 + _SLACK_SHARE) + self.slack_s
        if look.passed_s > allowed_s:
            return (
                f"its clock says {format_time(min(look.said_s, self.claimed_s))} where "
                f"{format_time(look.passed_s)} passed: work is not timed, or the clock was changed"
            )
        # Beside a single call, threads that spin until they are stopped weigh too much.
        if self.calls > 1 and look.cpu_s > threads * allowed_s:
            return (
                f"{format_time(look.cpu_s)} of CPU time were used in calls that are said to have "
                f"taken {format_time(said_s)} on {threads} thread{'s' * (threads > 1)}: it works "
                "on after it has returned, or with more threads"
            )
        return ""


def _look(taker: Taker, calls: int, case: Case, limit_s: float, rng: random.Random) -> _Look:
    """Return what calls on new values took, which the referee will look at too.

    Those of plug-ins have no new values: to write them may take longer than their calls.
    What the worker or the session waited for a CPU, on a machine that others keep busy, is taken
    off what the session saw pass. Where nobody counts that, what the worker computed is a bound.
    """
    new = _new_values(taker, case, rng)
    request = messages.TakeSample(calls, new, at_once=True)
    pids = (taker.worker.pid, os.getpid())
    cpu_s, waited_s = cpu_time.had_s(pids[0]), sum(map(cpu_time.waited_s, pids))
    begun = time.monotonic()
    sample = taker.worker.ask(request, messages.Sampled, limit_s)
    passed_s, said_s = time.monotonic() - begun, sample.time_s * calls
    waited_s = sum(map(cpu_time.waited_s, pids)) - waited_s
    cpu_s = cpu_time.had_s(pids[0]) - cpu_s
    # A wait among the calls is in what the clock says: a changed one must not hide behind it.
    if math.isnan(waited_s):
        passed_s = min(passed_s, cpu_s / taker.threads)
        waited_s = 0.0
    elif passed_s <= _NEVER_TIMES * said_s + _TRIES * _SLACK_S:
        passed_s -= waited_s
        waited_s = 0.0
    taker.worker.stop()
    taker.sampled(new, sample)
    return _Look(passed_s, said_s, cpu_s, waited_s)


def _new_values(taker: Taker, case: Case, rng: random.Random) -> messages.Fresh | None:
    """Return what a row is given before calls that the session times; nothing of a plug-in's."""
    stand_alone = registry.operation(case.operation).rows_stand_alone
    if taker.watched and stand_alone and not taker.plug_in:
        return new_row(case.rows, rng)
    return None


def _sampled_again(taker: Taker, case: Case, limit_s: float, rng: random.Random) -> float:
    """Return the seconds of a call in the shortest of some samples, which are like all others.

    In the first a kernel may still do what it did for the look before.
    """
    times = []
    for _ in range(_AGAIN):
        new = _new_values(taker, case, rng)
        request = messages.TakeSample(taker.row.iterations, new)
        sample = taker.worker.ask(request, messages.Sampled, limit_s)
        taker.worker.stop()
        taker.sampled(new, sample)
        times.append(sample.time_s)
    return min(times)


def _memory_problem(
    taker: Taker, request: messages.CheckMemory, rng: random.Random, limit_s: float
) -> str:
    """Return that calls on new values take longer than on the same ones again, or than samples."""
    alike, shortest_s = 0, math.inf
    samples = [each.time_s for each in taker.row.samples[-1].values()]
    # What one thread has written lies in the cache of its core, and others fetch it from there.
    moved = taker.row.work.bytes_moved if taker.row.work else 0
    spare_s = _SINGLE_CALL_S + moved / _FETCH_BYTES_S
    for number in range(_SINGLE_TRIES):
        factor = request.factor * rng.uniform(0.5, 1)  # values of an earlier try would be known
        asked = msgspec.structs.replace(request, factor=factor)
        found = taker.worker.ask(asked, messages.MemoryChecked, limit_s)
        taker.worker.stop()
        taker.rows += found.rows
        sides = found.new_s, found.same_s
        shortest, typical = ([how(side) for side in sides] for how in (min, statistics.median))
        shortest_s = min(shortest_s, *shortest)
        alike += min(shortest[0] / shortest[1], typical[0] / typical[1]) < _SHOWN_RATIO
        claimed_s = statistics.median(samples)
        claim = shortest_s <= _SINGLE_TIMES * claimed_s + spare_s
        if claim and alike >= _ALIKE:
            return ""
        if number + 1 == _TRIES and alike < _ALIKE:
            break
        if not claim:
            samples.append(_sampled_again(taker, taker.row.benchmark.case, limit_s, rng))
    what = "all of its inputs are" if request.factor else "a row of its inputs is"
    if alike >= _ALIKE:
        return (
            f"a call takes {format_time(shortest_s)} after {what} new, and "
            f"{format_time(claimed_s)} in samples: it does not do all of its work there"
        )
    return (
        f"a call takes {format_time(typical[0])} after {what} new, and "
        f"{format_time(typical[1])} after the same values are written again: results are kept "
        "from call to call"
    )
