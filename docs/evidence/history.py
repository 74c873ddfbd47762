"""How often `history` finds a change that was put in, and calls one that was not.

    python docs/evidence/history.py SEED…

Simulates, for each seed, 20 folders of 50 reports with ten benchmarks and the copy of each: 200
series, 12 passes a report. All of
it is made worse than a quiet machine: passes and reports scatter with the tails of Student's t of
three degrees of freedom, the whole machine wanders, one hour in twenty is slow, one row in ten is
missing, and in one folder of three the reports go on on another machine. Half of the benchmarks
become slower or faster by 5 to 30 % at a random commit.
"""

import math
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np

from lnbench.judge.history import History, history
from lnbench.judge.reading import Reading
from lnbench.judge.stats import Floats
from lnbench.judge.verdict import Verdict
from lnbench.plan.case import Benchmark
from lnbench.record.environment import Environment
from lnbench.record.report import read

SEED = Path(__file__).parents[2] / "reports/baselines/epyc2-transformer.json"
FOLDERS, SERIES, REPORTS, PASSES = 20, 10, 50, 12

PASS_SCATTER, REPORT_SCATTER, WANDERING = 0.015, 0.01, 0.004
"""Scales of logarithms: within a report, of a row's reports, of the machine from day to day."""

SLOW_HOURS, MISSING, MOVED = 0.05, 0.1, 1 / 3
"""Shares of reports, of rows, of folders."""

BENCHMARKS = [
    [Benchmark.parse(f"layernorm/forward/{512 * (i + 1)}x1024/float32/cpu/{name}") for name in pair]
    for i, pair in enumerate([("numpy", "copy")] * SERIES)
]


class Step(NamedTuple):
    """A change that was put in."""

    place: int
    """The first report with it."""
    log_ratio: float


class Tally(NamedTuple):
    """What became of some series."""

    series: int = 0
    found: int = 0
    """Series whose step is found within one commit."""
    false: int = 0
    """Series with a change that is not their step."""


def main() -> None:
    """Simulate and count."""
    environment = read(SEED).environment
    tallies = dict.fromkeys(("no step", "5 to 10 %", "10 to 20 %", "20 to 30 %"), Tally())
    for seed in map(int, sys.argv[1:] or ["100"]):
        for folder in range(FOLDERS):
            rng = np.random.default_rng([seed, folder])
            for name, found, false in judged(rng, environment):
                old = tallies[name]
                tallies[name] = Tally(old.series + 1, old.found + found, old.false + false)
    for name, tally in tallies.items():
        print(f"{name:10} {tally.series} series, {tally.found} found, {tally.false} false")


def judged(rng: np.random.Generator, environment: Environment) -> Iterator[tuple[str, bool, bool]]:
    """Yield, for each series of a folder, its size of step, whether found, whether false."""
    moved = REPORTS if rng.random() > MOVED else int(rng.integers(10, 40))
    steps = [_step(rng, moved) if i % 2 else None for i in range(SERIES)]
    shown = history(simulated(rng, environment, steps, moved))
    for pair, step in zip(BENCHMARKS, steps, strict=True):
        changes = _found(shown, pair[0])
        if step is None:
            yield "no step", False, bool(changes)
            continue
        tens = int(math.expm1(abs(step.log_ratio)) * 10)
        near = [
            places
            for places, slower in changes
            if slower == (step.log_ratio > 0) and places[0] - 1 <= step.place <= places[-1] + 1
        ]
        name = ("5 to 10 %", "10 to 20 %", "20 to 30 %")[min(2, tens)]
        yield name, bool(near), len(changes) > bool(near)


def simulated(
    rng: np.random.Generator,
    environment: Environment,
    steps: list[Step | None],
    moved: int,
) -> list[Reading]:
    """Return a folder of reports; from number `moved` on of another machine."""
    other = msgspec.structs.replace(environment, machine_id="another", threads=1)
    machine = np.cumsum(rng.normal(0, WANDERING, REPORTS))
    machine += np.where(rng.random(REPORTS) < SLOW_HOURS, rng.uniform(0.05, 0.3, REPORTS), 0)
    machine[moved:] -= 0.4
    rows: list[dict[tuple[str, str], tuple[Benchmark, str, Floats]]] = [{} for _ in range(REPORTS)]
    for i, step in enumerate(steps):
        for benchmark in BENCHMARKS[i]:
            felt = 1.0 if benchmark.backend == "copy" else rng.uniform(0.5, 1.5)
            level = machine * felt + REPORT_SCATTER * rng.standard_t(3, REPORTS) - 7.0
            if step is not None and benchmark.backend != "copy":
                level[step.place :] += step.log_ratio
            passes = PASS_SCATTER * rng.standard_t(3, (REPORTS, PASSES)) + level[:, None]
            missing = rng.random(REPORTS) < MISSING
            for place in np.flatnonzero(~missing):
                key = benchmark.id, "cpu"
                rows[place][key] = benchmark, "cpu memory", passes[place]
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        Reading(
            begun + timedelta(days=place),
            f"{place:040x}",
            environment if place < moved else other,
            rows[place],
        )
        for place in range(REPORTS)
    ]


def _step(rng: np.random.Generator, moved: int) -> Step:
    """Return a change at any commit but that of the move, where nobody could tell the two apart."""
    places = [place for place in range(1, REPORTS) if place != moved]
    size = math.log1p(rng.uniform(0.05, 0.3))
    return Step(int(rng.choice(places)), size if rng.random() < 0.5 else -size)  # noqa: PLR2004


def _found(shown: History, benchmark: Benchmark) -> list[tuple[range, bool]]:
    """Return where this row changes and whether it became slower.

    A place is every report after the last with the old level, up to the first with the new one that
    has the row: between them nobody can tell.
    """
    found = []
    for number, line in enumerate(shown.lines):
        moved = len(shown.lines[0].readings) * number
        for row in line.rows:
            for change in row.changes if row.benchmark == benchmark else ():
                known = [i for i in range(change.place) if row.times[i] is not None]
                places = range(known[-1] + 1 + moved, change.place + 1 + moved)
                found.append((places, change.verdict is Verdict.REGRESSED))
    return found


if __name__ == "__main__":
    main()
