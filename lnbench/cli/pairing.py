"""Two sides, a suite and flags → which rows to compare here, and which cannot be."""

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from lnbench import registry
from lnbench.cli.selection import overrides, setting_of, spawns, unable_outcome
from lnbench.errors import ConfigError, NothingMeasuredError
from lnbench.measure.contest import NAMES, Match
from lnbench.measure.home import Ground
from lnbench.measure.launch import variables
from lnbench.measure.probe import Machine, probe
from lnbench.measure.sides import Side, side
from lnbench.measure.visit import Setting
from lnbench.plan import suite as suites
from lnbench.plan.looks import AB_BUDGET, looks_within
from lnbench.plan.side import SideKind, check_sides, parse_side
from lnbench.plan.suite import Suite
from lnbench.record.environment import Environment, collect
from lnbench.record.machine import physical_cores, usable_cpus
from lnbench.record.outcome import Outcome
from lnbench.record.report import ReportSide


class Paired(msgspec.Struct, frozen=True):
    """What `lnbench ab` works on."""

    suite: Suite
    """The suite, with flags in place."""
    matches: tuple[Match, ...]
    """Every row."""
    unable: tuple[Outcome, ...]
    """What cannot run on its side, with the reason."""
    sides: tuple[Side, Side]
    """Baseline and candidate."""
    records: tuple[ReportSide, ReportSide]
    """What the report says of them."""
    looks: tuple[int, ...]
    """The numbers of pairs at which rows are judged."""
    environment: Environment
    """What the session itself runs on."""
    setting: Setting
    """What holds for the session."""
    spawn: bool
    """Whether workers are spawned, not forked."""


@contextlib.contextmanager
def pair(baseline: str, candidate: str, suite: str, flags: Mapping[str, Any]) -> Iterator[Paired]:
    """Yield the rows of two sides, after installing the sides and asking them what they can do."""
    specs = (parse_side(baseline), parse_side(candidate))
    check_sides(*specs)
    if specs[0].kind is SideKind.BACKEND and flags.get("backend"):
        raise ConfigError("--backend: the sides name the backends already", "leave it out")
    _check_suite(suite, flags)
    threads = flags.get("threads") or physical_cores()
    with tempfile.TemporaryDirectory(prefix=f"lnbench-{os.getpid()}-inductor-") as cache:
        autotune = bool(flags.get("autotune"))
        environment = variables(threads, usable_cpus(), Path(cache), autotune=autotune)
        sides = (side(specs[0], environment), side(specs[1], environment))
        picked = _suite(suite, flags, sides)
        machines = _machines(picked, sides)
        matches = tuple(_matches(picked, sides, machines[0].auto))
        if not matches:
            raise NothingMeasuredError(
                f"suite '{suite}' with these sides and flags selects no benchmark",
                "see what there is: lnbench list benchmarks",
            )
        here = collect(threads, machines[0].devices, environment)
        records = tuple(_record(*each, here) for each in zip(sides, machines, strict=True))
        yield Paired(
            suite=picked,
            matches=matches,
            unable=tuple(_unable(matches, machines)),
            sides=sides,
            records=(records[0], records[1]),
            looks=looks_within(picked.budget.passes),
            environment=here,
            setting=setting_of(flags, picked.budget, threads, Ground(environment), machines[0]),
            spawn=spawns(flags),
        )


def _known(sides: Sequence[Side] = ()) -> dict[str, tuple[str, ...]]:
    names = {name for each in sides for name in each.backends} | {*registry.backend_names()}
    return {"operation": registry.operation_names(), "backend": tuple(sorted(names))}


def _check_suite(suite: str, flags: Mapping[str, Any]) -> None:
    """Raise for what is wrong with suite and flags, before anything is installed for the sides."""
    known = _known()
    suites.load(flags.get("config")).suite(suite, known)
    overrides({**flags, "backend": ()}, known)


def _suite(suite: str, flags: Mapping[str, Any], sides: tuple[Side, Side]) -> Suite:
    """Return the suite over the backends that the sides are about."""
    known = _known(sides)
    names = flags.get("backend") or ()
    named = [each.backends for each in sides if each.brings or not each.apart]
    if not names and named:
        # A side's own project is what its comparison is about.
        names = tuple(dict.fromkeys(name for backends in named for name in backends))
    said = overrides({**flags, "backend": names}, known)
    picked = suites.load(flags.get("config")).suite(suite, known).override(said)
    return msgspec.structs.replace(picked, budget=said.budget_over(AB_BUDGET))


def _machines(picked: Suite, sides: tuple[Side, Side]) -> tuple[Machine, Machine]:
    """Return what each side's interpreter can run of the suite."""
    either = (*sides[0].backends, *sides[1].backends)
    names = sorted({name for entry in picked.grids for name in entry.grid.backend or either})
    devices = dict.fromkeys(name for entry in picked.grids for name in entry.grid.device)
    first = probe(names, devices, sides[0].ground)
    return first, probe(names, devices, sides[1].ground) if sides[1].apart else first


def _matches(picked: Suite, sides: tuple[Side, Side], auto: str) -> Iterator[Match]:
    """Yield the rows: two backends of one case, or one backend on both sides."""
    backends = tuple(dict.fromkeys((*sides[0].backends, *sides[1].backends)))
    rows = list(picked.benchmarks(auto, backends, registry.SPEED_LIMIT))
    if any(each.apart for each in sides):
        asked = {name for entry in picked.grids for name in entry.grid.backend}
        for row in rows:
            if row.backend != registry.SPEED_LIMIT or registry.SPEED_LIMIT in asked:
                yield Match(row, row)
        return
    one, other = (each.spec.value for each in sides)
    for case in dict.fromkeys(row.case for row in rows):
        of_case = {row.backend: row for row in rows if row.case == case}
        if one in of_case and other in of_case:
            yield Match(of_case[one], of_case[other])


def _unable(matches: Sequence[Match], machines: Sequence[Machine]) -> Iterator[Outcome]:
    for match in matches:
        pairs = zip((match.baseline, match.candidate), machines, NAMES, strict=True)
        for benchmark, machine, name in pairs:
            outcome = unable_outcome(benchmark, machine, name)
            if outcome is not None:
                yield outcome


def _record(each: Side, machine: Machine, here: Environment) -> ReportSide:
    environment = msgspec.structs.replace(
        here, python=machine.python, packages=machine.packages, devices=machine.devices
    )
    return ReportSide(each.spec.text, each.commit, each.spec.slowdown, environment)
