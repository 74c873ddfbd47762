"""What a session knows of one row so far."""

import functools
import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import msgspec

from lnbench import registry
from lnbench.measure import messages
from lnbench.measure.limits import compulsory
from lnbench.plan.case import Benchmark, Work
from lnbench.record.outcome import (
    Agreement,
    Caveat,
    CaveatKind,
    Failed,
    Measured,
    Outcome,
    Scalar,
    SideName,
    Skipped,
    Stage,
    Stopped,
)
from lnbench.units import one_line
from lnbench.workers.pass_workers import Home

_LOSSES_ALLOWED = 2

_THROTTLED = "throttled samples"

_COUNTERS: dict[str, tuple[str, Callable[[list[float]], float]]] = {
    "sm clock MHz": ("sm_mhz", statistics.median),
    "memory clock MHz": ("memory_mhz", statistics.median),
    "power W": ("watts", statistics.median),
    "hottest C": ("celsius", max),
    "other processes": ("others", max),
}
"""Name of a detail → the counter of a reading, and what is kept of all readings."""


@dataclass
class Ledger:
    """Grows by the samples of a pass, until its row has had enough."""

    benchmark: Benchmark
    side: SideName = ""
    """`baseline` or `candidate` in a session that compares two, else empty."""
    slowdown: float = 0.0
    """Fraction by which it is slowed on purpose."""
    samples: list[dict[int, messages.Sampled]] = field(default_factory=list)
    """The samples of each pass by their round; none where its process died."""
    spent_s: float = 0.0
    """Seconds that its samples took: no context, compilation or verification is in them."""
    caveats: list[Caveat] = field(default_factory=list)
    details: dict[str, Scalar] = field(default_factory=dict)
    iterations: int | None = None
    first_call_s: float = 0.0
    agreement: Agreement | None = None
    checksum: int | None = None
    """Of outputs that were compared whole in this session; None before."""
    other_checksum: int | None = None
    """The same of what the other inputs of a case gave, where its rows depend on each other."""
    torch_errors: dict[str, float] = field(default_factory=dict)
    """How far torch is from the truth, as this session found."""
    watched: bool = False
    """Whether new values can be written into its inputs."""
    peak_extra_bytes: int | None = None
    energy_j: tuple[float, ...] = ()
    """Joules a call, one a sample; empty where they were not measured."""
    clock: str = ""
    """Which way its clock goes, as its first process chose."""
    stopped: Stopped | None = None
    ended: Skipped | Failed | None = None

    @property
    def name(self) -> str:
        """What tells its worker from the others of a case."""
        return f"{self.side}-{self.benchmark.backend}" if self.side else self.benchmark.backend

    @functools.cached_property
    def work(self) -> Work:
        """The compulsory work of the case."""
        return compulsory(self.benchmark.case, self.benchmark.backend)

    @property
    def home(self) -> Home:
        """Where its workers come from."""
        return Home(self.side, registry.owner(self.benchmark.backend))

    @property
    def open(self) -> bool:
        """Whether another pass is wanted."""
        return self.stopped is None and self.ended is None

    @property
    def passes(self) -> int:
        """How many passes have been taken."""
        return len(self.samples)

    @property
    def times_s(self) -> tuple[tuple[float, ...], ...]:
        """Seconds an iteration, one tuple a pass."""
        return tuple(tuple(sample.time_s for sample in taken.values()) for taken in self.samples)

    def outcome(self) -> Outcome | None:
        """Return what is known; None before the first pass."""
        if self.ended is not None:
            return self.ended
        if self.agreement is None or not any(self.samples):
            return None
        return Measured.of(
            self.benchmark,
            iterations=self.iterations or 1,
            first_call_s=self.first_call_s,
            times_s=self.times_s,
            rounds=tuple(map(tuple, self.samples)),
            work=self.work,
            agreement=self.agreement,
            page_faults=self._page_faults(),
            peak_extra_bytes=self.peak_extra_bytes,
            stopped=self.stopped,
            details=_recordable({**self.details, **self._device()}),
            caveats=tuple(self.caveats),
            side=self.side,
            energy_j=self.energy_j,
        )

    def prepared(self, prepared: messages.Prepared) -> None:
        """Take what the first process, or a later one, learned before its samples."""
        self.watched = prepared.watched
        if not prepared.watched and self.benchmark.case.rows * self.benchmark.case.columns:
            self.caution(CaveatKind.UNWATCHED)
        self.clock = self.clock or prepared.clock
        if self.details.get("sha256", digest := prepared.details.get("sha256")) != digest:
            self.fail(Stage.PREPARE, "its file has changed since the report began: begin a new one")
        if self.iterations is None:
            self.iterations = prepared.iterations
            self.first_call_s = prepared.first_call_s
            self.peak_extra_bytes = prepared.peak_extra_bytes
            self.details = _recordable(prepared.details)
            if prepared.details.get("interpreted"):
                self.caution(CaveatKind.INTERPRETED)

    def agreed(self, agreement: Agreement, checksum: int) -> None:
        """Take a verification of whole outputs."""
        if self.agreement is None:
            self.agreement = agreement
            if not agreement.passed:
                worst = agreement.worst
                error = agreement.outputs[worst].max_error if worst else 0.0
                self.caution(CaveatKind.PEER_INACCURATE, f"{worst} off by {error:.2g}")
        self.checksum = checksum

    def sampled(self, round_number: int, sample: messages.Sampled) -> None:
        """Take one sample of the current pass."""
        self.samples[-1][round_number] = sample
        self.spent_s += sample.spent_s
        if sample.reading is not None and sample.reading.slowed_by:
            self.caution(CaveatKind.THROTTLED, sample.reading.slowed_by)

    def clock_beside(self, rows: "Iterable[Ledger]") -> str:
        """Return which way its clock goes: its own, else that of its benchmark's other side."""
        sides = (row.clock for row in rows if row.benchmark == self.benchmark)
        return self.clock or next(filter(None, sides), "")

    def begin_pass(self) -> None:
        """Begin to take the samples of a pass."""
        self.samples.append({})

    def caution(self, kind: CaveatKind, detail: str = "") -> None:
        """Add a caveat, once a kind."""
        if all(caveat.kind is not kind for caveat in self.caveats):
            self.caveats.append(Caveat(kind, one_line(detail)))

    def skip(self, reason: str) -> None:
        """End the row as one that cannot run here."""
        self.ended = Skipped.of(self.benchmark, reason=one_line(reason), side=self.side)

    def fail(self, stage: Stage, error: str) -> None:
        """End the row as one that went wrong."""
        self.ended = Failed.of(self.benchmark, stage=stage, error=one_line(error), side=self.side)

    def lose_pass(self, stage: Stage, error: str) -> None:
        """Forget a pass whose process died; a row that dies often, or at once, has failed."""
        if self.samples:
            self.samples[-1] = {}
        lost = sum(not taken for taken in self.samples)
        if not any(self.samples) or lost > _LOSSES_ALLOWED:
            self.fail(stage, error)
        else:
            self.caution(CaveatKind.LOST_PASSES, error)

    def go_on(self, outcome: Outcome) -> None:
        """Take what an earlier session left of the row."""
        if not isinstance(outcome, Measured):
            self.ended = outcome
            return
        self.samples = _samples(outcome)
        self.spent_s = sum(sample.spent_s for sample in self._all_samples())
        self.caveats, self.details = list(outcome.caveats), dict(outcome.details)
        self.clock = outcome.clock
        self.iterations, self.first_call_s = outcome.iterations, outcome.first_call_s
        self.agreement, self.energy_j = outcome.agreement, outcome.energy_j
        self.peak_extra_bytes, self.stopped = outcome.peak_extra_bytes, outcome.stopped

    def _all_samples(self) -> Iterator[messages.Sampled]:
        return itertools.chain.from_iterable(taken.values() for taken in self.samples)

    def _page_faults(self) -> float | None:
        """Return the mean of all samples; None where the device has none."""
        if self.benchmark.case.device != "cpu":
            return None
        return statistics.fmean(sample.page_faults for sample in self._all_samples())

    def _device(self) -> dict[str, Scalar]:
        """Return the state that the device was in over all samples: medians, and the hottest."""
        readings = [sample.reading for sample in self._all_samples() if sample.reading is not None]
        if not readings:
            return {}
        state: dict[str, Scalar] = {_THROTTLED: sum(bool(each.slowed_by) for each in readings)}
        for name, (counter, summary) in _COUNTERS.items():
            counts = [getattr(reading, counter) for reading in readings]
            seen = [count for count in counts if count is not None]
            if seen:
                state[name] = round(summary(seen), 1)
        return state


def _samples(outcome: Measured) -> list[dict[int, messages.Sampled]]:
    """Return the samples of a report, each with its share of what is known of them together.

    Of the device's counters each has the median or the highest; as many as were throttled are so.
    """
    counters = {
        counter: None if isinstance(value := outcome.details.get(name), str) else value
        for name, (counter, _) in _COUNTERS.items()  # what was no number is text
    }
    throttled = outcome.details.get(_THROTTLED)
    why = [caveat.detail for caveat in outcome.caveats if caveat.kind is CaveatKind.THROTTLED]
    rest = itertools.count(int(throttled or 0), -1)

    def sample(time_s: float) -> messages.Sampled:
        reading = None
        if throttled is not None:
            slowed_by = ((why and why[0]) or "unknown") if next(rest) > 0 else ""
            reading = msgspec.convert({**counters, "slowed_by": slowed_by}, messages.Reading)
        spent_s = time_s * outcome.iterations
        return messages.Sampled(time_s, outcome.page_faults or 0.0, reading, spent_s)

    return [
        {number: sample(time_s) for number, time_s in zip(rounds, times, strict=True)}
        for rounds, times in zip(outcome.rounds, outcome.times_s, strict=True)
    ]


def _recordable(details: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return details such that JSON can say them: no infinity, and no number beyond 64 bits."""

    def fits(value: float) -> bool:
        return math.isfinite(value) and (not isinstance(value, int) or abs(value) < 2**63)

    return {
        one_line(name): value
        if not isinstance(value, str) and fits(value)
        else one_line(str(value))
        for name, value in sorted(details.items())
    }
