"""What one run says about each row: time, speedup, bandwidth, share of the copy, who is best."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec

from lnbench.errors import UnknownNameError
from lnbench.judge.ranking import JudgedCase, Ranking, contends, judge_case, rank
from lnbench.judge.regime import Regime, cache_bytes, regime
from lnbench.judge.stats import (
    SHOWN_CONFIDENCE,
    Estimate,
    Floats,
    estimates,
    location_intervals,
    pass_logs,
    time_estimate,
)
from lnbench.plan.case import Benchmark
from lnbench.record.environment import Environment
from lnbench.record.outcome import Caveat, CaveatKind, Measured, Outcome
from lnbench.record.report import Report
from lnbench.registry import SPEED_LIMIT
from lnbench.units import format_time

ACCURATE_FACTOR = 2.0
"""How many times the error of the most accurate backend is still as accurate."""

APART = 1.25
"""Factor beyond the interval of a speedup at which the two times beside it contradict it."""

Key: TypeAlias = tuple[str, str]
"""Case id and backend."""


class Row(msgspec.Struct, frozen=True):
    """One line of a run's table."""

    benchmark: Benchmark
    """What was asked for."""
    outcome: Outcome
    """What came of it; nothing below is there where it was not measured."""
    time: Estimate | None = None
    """Seconds per iteration, with a 95 % interval over the passes."""
    speedup: Estimate | None = None
    """Time of the chosen backend ÷ time of this one, paired by round: above 1 is faster."""
    bandwidth: float | None = None
    """Compulsory bytes ÷ time, in bytes a second."""
    share_of_copy: Estimate | None = None
    """Bandwidth ÷ that of the copy, paired by round: 1 is the speed limit."""
    ranking: Ranking | None = None
    """Who is fastest in its case; None where it does not contend."""
    best: bool = False
    """Whether another backend of its case is shown to be slower than the fastest, and it is not."""
    regime: Regime | None = None
    """What bounds the row, where that is known."""
    caveats: tuple[Caveat, ...] = ()
    """Reasons for care."""
    passes: int = 0
    """Passes that it has times of; 0 where it was not measured."""
    most_passes: int = 0
    """The most passes that a row of its case has."""


def rows(report: Report, relative_to: str | None = None) -> tuple[Row, ...]:
    """Return one row an outcome, in the order of the report.

    Args:
        report: the run.
        relative_to: the backend that speedups are against; None for no speedups.
    """
    _check_backend(report, relative_to)
    measured = _measured(report)
    times, cases = _times(measured), _by_case(measured)
    judged = {case: judge_case(members, relative_to) for case, members in cases.items()}
    shares = _ratios(judged, lambda case: case.shares, SPEED_LIMIT)
    speedups = _ratios(judged, lambda case: case.speedups, relative_to)
    most, found = _most_passes(measured), []
    for outcome in report.outcomes:
        key = _key(outcome)
        row = Row(outcome.benchmark, outcome)
        if one := measured.get(key):
            ranking = judged[key[0]].ranking if contends(one) else None
            best = ranking is not None and key[1] in ranking.best
            share = _share(one, shares.get(key), measured.get((key[0], SPEED_LIMIT)))
            row = msgspec.structs.replace(
                row,
                time=times[key],
                speedup=speedups.get(key),
                bandwidth=one.work.bytes_moved / times[key].value,
                share_of_copy=share,
                ranking=ranking,
                best=best and not _above(one, share, report.environment),
                regime=regime(one, times[key].value, share, report.environment),
                caveats=(
                    *_caveats(one, share, report.environment),
                    *(_inaccurate(one, cases[key[0]]) if best else ()),
                    *_uneven(key, speedups.get(key), (key[0], relative_to or ""), measured, times),
                ),
                passes=sum(map(bool, one.times_s)),
                most_passes=most[key[0]],
            )
        found.append(row)
    return tuple(found)


def rankings(report: Report) -> tuple[Ranking, ...]:
    """Return who is fastest in each case that was measured, in the order of the report."""
    measured = _measured(report)
    cases = _by_case({key: row for key, row in measured.items() if contends(row)})
    return tuple(rank(tuple(members.values())) for members in cases.values())


def _check_backend(report: Report, name: str | None) -> None:
    known = {outcome.benchmark.backend for outcome in report.outcomes}
    if name is not None and name not in known:
        raise UnknownNameError("backend", name, known, "the report")


def _key(outcome: Outcome) -> Key:
    return outcome.benchmark.case.id, outcome.benchmark.backend


def _measured(report: Report) -> dict[Key, Measured]:
    return {
        _key(outcome): outcome
        for outcome in report.outcomes
        if isinstance(outcome, Measured) and any(outcome.times_s)
    }


def _most_passes(measured: Mapping[Key, Measured]) -> dict[str, int]:
    """Return the most passes with times that a row has, by case."""
    most: dict[str, int] = {}
    for (case, _), outcome in measured.items():
        most[case] = max(most.get(case, 0), sum(map(bool, outcome.times_s)))
    return most


def _times(measured: Mapping[Key, Measured]) -> dict[Key, Estimate]:
    logs = pass_logs([outcome.times_s for outcome in measured.values()])
    found = estimates(location_intervals(logs, 1 - SHOWN_CONFIDENCE), SHOWN_CONFIDENCE)
    return dict(zip(measured, found, strict=True))


def _by_case(measured: Mapping[Key, Measured]) -> dict[str, dict[str, Measured]]:
    """Return rows by case and backend."""
    cases: dict[str, dict[str, Measured]] = {}
    for (case, backend), outcome in measured.items():
        cases.setdefault(case, {})[backend] = outcome
    return cases


def _ratios(
    judged: Mapping[str, JudgedCase],
    logs_of: Callable[[JudgedCase], Mapping[str, Floats]],
    backend: str | None,
) -> dict[Key, Estimate]:
    """Return each row's ratio of the time of `backend` in its case to its own."""
    logs = {
        (case, name): values
        for case, found in judged.items()
        for name, values in logs_of(found).items()
        if values.size
    }
    lines = location_intervals(list(logs.values()), 1 - SHOWN_CONFIDENCE)
    found = dict(zip(logs, estimates(lines, SHOWN_CONFIDENCE), strict=True))
    same = Estimate(1.0, 1.0, 1.0, SHOWN_CONFIDENCE)
    return {key: same if key[1] == backend else ratio for key, ratio in found.items()}


def _uneven(
    key: Key,
    speedup: Estimate | None,
    reference_key: Key,
    measured: Mapping[Key, Measured],
    times: Mapping[Key, Estimate],
) -> tuple[Caveat, ...]:
    """Return the caveat of a speedup that contradicts the times of its row and of the reference."""
    if speedup is None or key == reference_key:
        return ()
    row, reference = measured[key], measured[reference_key]
    whole = times[reference_key].value
    implied = whole / times[key].value
    known = speedup.low > 0
    low, high = (speedup.low, speedup.high) if known else (speedup.value, speedup.value)
    if low / APART <= implied <= high * APART:
        return ()
    both = [times for times, own in zip(reference.times_s, row.times_s, strict=False) if own]
    if sum(map(bool, both)) == sum(map(bool, reference.times_s)):
        detail = f"the times alone would say {implied:.2f}×: the passes differ from each other"
        return (Caveat(CaveatKind.UNEVEN, detail),)
    shared = time_estimate(tuple(both)).value
    name, passes = reference.benchmark.backend, f"{len(both)} pass{'es' * (len(both) != 1)}"
    detail = f"{name} took {format_time(shared)} in the {passes} that both have, not "
    detail += format_time(whole)
    return (Caveat(CaveatKind.UNEVEN, detail),)


def _inaccurate(row: Measured, members: Mapping[str, Measured]) -> tuple[Caveat, ...]:
    """Return the caveat of a best row that another of its case beats clearly in accuracy."""
    errors = {
        name: other.agreement.max_ulp or 0.0 for name, other in members.items() if contends(other)
    }
    own, closest = errors[row.backend], min(errors, key=lambda name: errors[name])
    if own <= ACCURATE_FACTOR * errors[closest] + 1:  # an ulp is one rounding
        return ()
    detail = f"{own:.2g} ulp, where {closest} is off by {errors[closest]:.2g}"
    return (Caveat(CaveatKind.FAST_INACCURATE, detail),)


def _share(row: Measured, faster: Estimate | None, copy: Measured | None) -> Estimate | None:
    """Return the row's bandwidth ÷ the copy's; None for the copy itself or without one."""
    if faster is None or copy is None or row is copy or not copy.work.bytes_moved:
        return None
    bytes_ratio = row.work.bytes_moved / copy.work.bytes_moved
    ends = (faster.value * bytes_ratio, faster.low * bytes_ratio, faster.high * bytes_ratio)
    return Estimate(*ends, faster.confidence)


def _above(row: Measured, share: Estimate | None, environment: Environment) -> bool:
    """Return whether a row beats the copy where no cache explains it.

    Where the interval reaches down to the copy it does not; few passes have none, low end 0.
    """
    beyond = row.work.bytes_moved > cache_bytes(row, environment)
    return share is not None and beyond and (share.low or share.value) > 1


def _caveats(row: Measured, share: Estimate | None, environment: Environment) -> tuple[Caveat, ...]:
    """Return the row's caveats, and that it beats the copy where no cache explains it."""
    if share is None or not _above(row, share, environment):
        return row.caveats
    return (*row.caveats, Caveat(CaveatKind.ABOVE_COPY, f"{share.value:.0%} of the copy"))
