"""Flags, benchmarks.yaml and this machine → which rows to measure here, and which cannot be."""

import contextlib
import itertools
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from lnbench import registry
from lnbench.errors import ConfigError, NothingMeasuredError
from lnbench.plan import suite as suites
from lnbench.plan.axes import BUDGET_KEYS
from lnbench.plan.budget import AB_BUDGET, Budget, looks_within
from lnbench.plan.case import Benchmark
from lnbench.plan.flags import AbFlags, RunFlags, SessionFlags, SuiteFlags, WorkerFlags
from lnbench.plan.overrides import FLAG_AXES, NO_CASES, Overrides, parse_overrides, share_of_cases
from lnbench.plan.side import SideKind, check_sides, parse_side
from lnbench.plan.suite import Suite
from lnbench.record.environment import Environment, collect
from lnbench.record.harmless import harmless
from lnbench.record.machine import physical_cores, usable_cpus
from lnbench.record.outcome import Failed, Skipped, Stage
from lnbench.record.report import BenchmarkReport, ComparisonReport, Report, ReportSide, head
from lnbench.session import memory
from lnbench.session.group import SIDES, Planned
from lnbench.session.own_kernels import named
from lnbench.session.setting import Setting
from lnbench.session.sides import Side, interpreters, side
from lnbench.workers.launcher import Interpreter, spawns
from lnbench.workers.probe import Machine, probe
from lnbench.workers.variables import plain_variables, variables


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """What a session works on."""

    suite: Suite
    """The suite, with flags in place."""
    groups: tuple[tuple[Planned, ...], ...]
    """Every row, in the order of the tables, with those that are measured beside it."""
    unable: tuple[Skipped | Failed, ...]
    """Rows that cannot run here, with the reason."""
    environment: Environment
    """What the session itself runs on."""
    interpreters: Mapping[str, Interpreter]
    """What the workers of each side run under, as `session.run` has them."""
    sides: tuple[ReportSide, ...] = ()
    """Baseline and candidate as a report has them; none where nothing is compared."""
    setting: Setting
    """What holds for the session."""
    spawn: bool
    """Whether workers are spawned, not forked."""

    @property
    def benchmarks(self) -> tuple[Benchmark, ...]:
        """What is timed, row by row."""
        return tuple(row.benchmark for group in self.groups for row in group)

    @property
    def looks(self) -> tuple[int, ...]:
        """The numbers of pairs at which it is judged."""
        return looks_within(self.setting.budget.passes)

    def under(self, budget: Budget, *, energy: bool = False) -> "Selection":
        """Return the selection as it is measured with another budget, and with energy or not."""
        setting = msgspec.structs.replace(self.setting, budget=budget, energy=energy)
        return msgspec.structs.replace(self, setting=setting)

    def new_report(self) -> Report:
        """Return a report that begins now."""
        fields = {
            **head(),
            "environment": self.environment,
            "suite": self.suite.name,
            "budget": self.setting.budget,
            "seed": self.setting.seed,
            "outcomes": (),
        }
        if not self.sides:
            return BenchmarkReport(**fields)
        return ComparisonReport(**fields, sides=self.sides, looks=self.looks)


@contextlib.contextmanager
def select(asked: WorkerFlags) -> Iterator[Selection]:
    """Yield what a command is asked for, after asking the machine, or both sides, what they can do.

    Sides are installed before that. What workers compile is gone with the selection.
    """
    with (
        named(asked) as flags,
        tempfile.TemporaryDirectory(prefix=f"lnbench-{os.getpid()}-inductor-") as cache,
    ):
        threads = flags.threads or physical_cores()
        autotune = isinstance(flags, SessionFlags) and flags.autotune
        settings = variables(threads, usable_cpus(), Path(cache), autotune=autotune)
        own = Interpreter(settings | registry.kernels_variable())
        choice = _pairs(flags, own) if isinstance(flags, AbFlags) else _cases(flags, own)
        suite, groups, machines, sides = choice
        if not groups:
            with_sides = "these sides and flags" if sides else "these flags"
            raise NothingMeasuredError(
                f"suite '{flags.suite}' with {with_sides} selects no benchmark",
                "lnbench list benchmarks shows what there is",
            )
        environment = _environment(threads, settings, machines[0])
        free, most = machines[0].free_bytes, memory.worker_bytes()
        yield Selection(
            suite=suite,
            groups=groups,
            unable=tuple(_unable(groups, machines)),
            environment=environment,
            interpreters=interpreters(own, sides, machines),
            sides=tuple(
                _recorded(*side, environment) for side in zip(sides, machines, strict=False)
            ),
            setting=Setting(suite.budget, flags.seed, threads, most, free),
            spawn=spawns(asked.start_method),
        )


def benchmarks(asked: SuiteFlags) -> tuple[Benchmark, ...]:
    """Return the benchmarks that flags select on this machine, with `auto` resolved."""
    with named(asked) as flags:
        names = registry.backend_names()
        suite = _suite(flags, names)
        own = Interpreter(plain_variables() | registry.kernels_variable())
        machine = _probed(suite, names, own)
        return tuple(suite.benchmarks(machine.auto, names, registry.SPEED_LIMIT))


_Choice = tuple[Suite, tuple[tuple[Planned, ...], ...], tuple[Machine, ...], tuple[Side, ...]]


def _cases(flags: WorkerFlags, own: Interpreter) -> _Choice:
    """Return the backends of each case beside each other."""
    names = registry.backend_names()
    suite = _suite(flags, names)
    machine = _probed(suite, names, own)
    rows = suite.benchmarks(machine.auto, names, registry.SPEED_LIMIT)
    cases = itertools.groupby(rows, key=lambda row: row.case)
    groups = tuple(tuple(map(Planned, group)) for _, group in cases)
    chosen = groups[share_of_cases(getattr(flags, "part", None))]
    if groups and not chosen:
        raise NothingMeasuredError(f"--shard: {NO_CASES}, {len(groups)}")
    return suite, chosen, (machine,), ()


def _pairs(flags: AbFlags, own: Interpreter) -> _Choice:
    """Return the two sides of each row beside each other."""
    specs = (parse_side(flags.baseline), parse_side(flags.candidate))
    check_sides(*specs)
    if specs[0].kind is SideKind.BACKEND and flags.backend:
        raise ConfigError("--backend: the sides name the backends already", "leave it out")
    # What is wrong with suite and flags is said before anything is installed for the sides.
    _suite(msgspec.structs.replace(flags, backend=[]), registry.backend_names())
    sides = (side(specs[0], own), side(specs[1], own))
    names = tuple(dict.fromkeys((*sides[0].backends, *sides[1].backends)))
    # A side's own project is what its comparison is about.
    about = [one.backends for one in sides if one.brings or not one.apart]
    if about and not flags.backend:
        flags = msgspec.structs.replace(flags, backend=list(dict.fromkeys(itertools.chain(*about))))
    suite = _suite(flags, tuple(sorted({*names, *registry.backend_names()})), AB_BUDGET)
    first = _probed(suite, names, sides[0].interpreter)
    other = _probed(suite, names, sides[1].interpreter) if sides[1].apart else first
    rows = suite.benchmarks(first.auto, names, registry.SPEED_LIMIT)
    groups = tuple(
        tuple(
            Planned(row, name, one.spec.slowdown)
            for row, name, one in zip(pair, SIDES, sides, strict=True)
        )
        for pair in _paired(suite, tuple(rows), sides)
    )
    return suite, groups, (first, other), sides


def _paired(
    suite: Suite, rows: Sequence[Benchmark], sides: Sequence[Side]
) -> Iterator[tuple[Benchmark, Benchmark]]:
    """Yield one backend on both sides, or two backends of one case."""
    if any(one.apart for one in sides):
        asked = {name for entry in suite.grids for name in entry.grid.backend}
        for row in rows:
            if row.backend != registry.SPEED_LIMIT or registry.SPEED_LIMIT in asked:
                yield row, row
        return
    baseline, candidate = (one.spec.value for one in sides)
    for _, group in itertools.groupby(rows, key=lambda row: row.case):
        named = {row.backend: row for row in group}
        if baseline in named and candidate in named:
            yield named[baseline], named[candidate]


def _suite(flags: SuiteFlags, backends: Sequence[str], budget: Budget | None = None) -> Suite:
    """Return the suite that flags name, with what they say in its place, over its own budget."""
    known = {"operation": registry.operation_names(), "backend": tuple(backends)}
    suite = suites.load(flags.config).suite(flags.suite, known)
    if budget is not None:
        suite = msgspec.structs.replace(suite, budget=budget)
    return suite.override(_overrides(flags, known))


def _overrides(flags: SuiteFlags, known: Mapping[str, tuple[str, ...]]) -> Overrides:
    preset = None
    if isinstance(flags, RunFlags):
        if flags.fast and flags.rigorous:
            raise ConfigError("--fast and --rigorous exclude each other", "give one of them")
        preset = "fast" if flags.fast else "rigorous" if flags.rigorous else None
    return parse_overrides(
        {axis: getattr(flags, axis) for axis in FLAG_AXES},
        known,
        budget={key: getattr(flags, key, None) for key in BUDGET_KEYS},
        preset=preset,
        filters=flags.filter,
    )


def _probed(suite: Suite, backends: Iterable[str], interpreter: Interpreter) -> Machine:
    """Return what an interpreter can run of a suite."""
    names = {name for entry in suite.grids for name in entry.grid.backend or backends}
    devices = dict.fromkeys(name for entry in suite.grids for name in entry.grid.device)
    return probe(sorted(names | {registry.SPEED_LIMIT}), devices, interpreter)


def _unable(
    groups: Iterable[Sequence[Planned]], machines: Sequence[Machine]
) -> Iterator[Skipped | Failed]:
    """Yield the outcomes of rows that cannot run on the machine of their side."""
    named = dict(zip(SIDES, machines, strict=False)) | {"": machines[0]}
    for row in itertools.chain.from_iterable(groups):
        answer = named[row.side].find(row.benchmark.backend, row.benchmark.case.device)
        if answer.broken:
            yield Failed.of(row.benchmark, stage=Stage.PREPARE, error=answer.text, side=row.side)
        elif not answer.available:
            yield Skipped.of(row.benchmark, reason=answer.text, side=row.side)


def _environment(threads: int, settings: Mapping[str, str], machine: Machine) -> Environment:
    here = collect(threads, machine.devices, settings, machine.packages, machine.variables)
    return msgspec.convert(harmless(msgspec.to_builtins(here)), Environment)


def _recorded(one: Side, machine: Machine, here: Environment) -> ReportSide:
    environment = msgspec.structs.replace(
        here, python=machine.python, packages=machine.packages, devices=machine.devices
    )
    return ReportSide(one.spec.text, one.commit, one.spec.slowdown, environment)
