"""What a session knows of one benchmark so far."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from lnbench.measure import messages
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

_LOSSES_ALLOWED = 2


@dataclass
class Row:
    """Grows by one list of times a pass, until it is decided."""

    benchmark: Benchmark
    is_limit: bool
    """Whether it is the speed limit, which goes on as long as any row of its case does."""
    times_s: list[list[float]] = field(default_factory=list)
    rounds: list[list[int]] = field(default_factory=list)
    page_faults: list[float] = field(default_factory=list)
    caveats: list[Caveat] = field(default_factory=list)
    details: dict[str, Scalar] = field(default_factory=dict)
    iterations: int | None = None
    first_call_s: float = 0.0
    work: Work | None = None
    agreement: Agreement | None = None
    checksum: int | None = None
    peak_extra_bytes: int | None = None
    spent_s: float = 0.0
    """Seconds that its samples took: no context, compilation or verification is in them."""
    side: SideName = ""
    """`baseline` or `candidate` in a session that compares two, else empty."""
    slowdown: float = 0.0
    """By which share it is slowed on purpose."""
    clock: str = ""
    """Which way its clock goes, as its first process found."""
    readings: list[messages.Reading] = field(default_factory=list)
    """What the device's counters said after each sample."""
    stopped: Stopped | None = None
    ended: Skipped | Failed | None = None

    @property
    def name(self) -> str:
        """What tells its worker from the others of a case."""
        return f"{self.side}-{self.benchmark.backend}" if self.side else self.benchmark.backend

    @property
    def open(self) -> bool:
        """Whether another pass is wanted."""
        return self.stopped is None and self.ended is None

    @property
    def passes(self) -> int:
        """How many passes have been taken."""
        return len(self.times_s)

    def outcome(self) -> Outcome | None:
        """Return what is known; None before the first pass."""
        if self.ended is not None:
            return self.ended
        if self.agreement is None or self.work is None or not any(self.times_s):
            return None
        return Measured(
            benchmark=self.benchmark,
            iterations=self.iterations or 1,
            first_call_s=self.first_call_s,
            times_s=tuple(map(tuple, self.times_s)),
            rounds=tuple(map(tuple, self.rounds)),
            work=self.work,
            agreement=self.agreement,
            page_faults=statistics.fmean(self.page_faults) if self.page_faults else None,
            peak_extra_bytes=self.peak_extra_bytes,
            stopped=self.stopped,
            details=tuple(sorted({**self.details, **self._device()}.items())),
            caveats=tuple(self.caveats),
            side=self.side,
        )

    def _device(self) -> dict[str, Scalar]:
        """Return the state that the device was in over all samples: medians, and the hottest."""
        read = self.readings
        if not read:
            return {}
        found: dict[str, Scalar] = {"throttled samples": sum(bool(each.slowed_by) for each in read)}
        for name, summary, values in (
            ("sm clock MHz", statistics.median, [each.sm_mhz for each in read]),
            ("memory clock MHz", statistics.median, [each.memory_mhz for each in read]),
            ("power W", statistics.median, [each.watts for each in read]),
            ("hottest C", max, [each.celsius for each in read]),
            ("other processes", max, [each.others for each in read]),
        ):
            seen = [value for value in values if value is not None]
            if seen:
                found[name] = round(summary(seen), 1)
        return found

    def prepared(self, found: messages.Prepared) -> None:
        """Take what the first process, or a later one, found before its samples."""
        self.work = found.work
        self.clock = self.clock or found.clock
        if self.iterations is None:
            self.iterations = found.iterations
            self.first_call_s = found.first_call_s
            self.peak_extra_bytes = found.peak_extra_bytes
            self.details = dict(found.details)
            if found.details.get("interpreted"):
                self.caution(CaveatKind.INTERPRETED)

    def agreed(self, agreement: Agreement, checksum: int) -> None:
        """Take a verification of whole outputs."""
        if self.agreement is None:
            self.agreement = agreement
            if not agreement.passed:
                worst = agreement.worst
                detail = f"{worst.name} off by {worst.max_error:.2g}" if worst else ""
                self.caution(CaveatKind.PEER_INACCURATE, detail)
        self.checksum = checksum

    def sampled(self, round_number: int, sample: messages.Sampled, *, on_cpu: bool) -> None:
        """Take one sample of the current pass."""
        self.times_s[-1].append(sample.time_s)
        self.rounds[-1].append(round_number)
        if on_cpu:
            self.page_faults.append(sample.page_faults)
        if sample.reading is not None:
            self.readings.append(sample.reading)
            if sample.reading.slowed_by:
                self.caution(CaveatKind.THROTTLED, sample.reading.slowed_by)

    def clock_beside(self, rows: "Iterable[Row]") -> str:
        """Return which way its clock goes: its own, else that of its benchmark's other side."""
        sides = (each.clock for each in rows if each.benchmark == self.benchmark)
        return self.clock or next(filter(None, sides), "")

    def begin_pass(self) -> None:
        """Open the lists of a pass."""
        self.times_s.append([])
        self.rounds.append([])

    def caution(self, kind: CaveatKind, detail: str = "") -> None:
        """Add a caveat, once a kind."""
        if all(caveat.kind is not kind for caveat in self.caveats):
            self.caveats.append(Caveat(kind, detail))

    def skip(self, reason: str) -> None:
        """End the row as one that cannot run here."""
        self.ended = Skipped(self.benchmark, reason, self.side)

    def fail(self, stage: Stage, error: str) -> None:
        """End the row as one that went wrong."""
        self.ended = Failed(self.benchmark, stage, error, self.side)

    def lose_pass(self, stage: Stage, error: str) -> None:
        """Forget a pass whose process died; a row that dies often, or at once, has failed."""
        if self.times_s:
            self.times_s[-1], self.rounds[-1] = [], []
        lost = sum(not times for times in self.times_s)
        if not any(self.times_s) or lost > _LOSSES_ALLOWED:
            self.fail(stage, error)
        else:
            self.caution(CaveatKind.LOST_PASSES, error)


def known(resume: Iterable[Outcome], unable: Iterable[Outcome]) -> list[Outcome]:
    """Return what is known before a session: of an earlier one, and of what cannot run.

    What was skipped then may run by now; what cannot, `unable` says again.
    """
    return [*(each for each in resume if not isinstance(each, Skipped)), *unable]


def restored(
    benchmark: Benchmark,
    *,
    is_limit: bool,
    outcome: Outcome | None,
    side: SideName = "",
    slowdown: float = 0.0,
) -> Row:
    """Return the row of a benchmark as an earlier session left it, if one did."""
    row = Row(benchmark, is_limit, side=side, slowdown=slowdown)
    if isinstance(outcome, Skipped | Failed):
        row.ended = outcome
    elif outcome is not None:
        row.times_s = [list(times) for times in outcome.times_s]
        row.rounds = [list(rounds) for rounds in outcome.rounds]
        row.caveats = list(outcome.caveats)
        row.details = dict(outcome.details)
        row.clock = str(row.details.get("clock", ""))
        row.iterations, row.first_call_s = outcome.iterations, outcome.first_call_s
        row.work, row.agreement = outcome.work, outcome.agreement
        row.peak_extra_bytes, row.stopped = outcome.peak_extra_bytes, outcome.stopped
        if outcome.page_faults is not None:
            row.page_faults = [outcome.page_faults] * sum(map(len, row.times_s))
    return row
