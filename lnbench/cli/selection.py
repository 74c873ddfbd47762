"""Flags, benchmarks.yaml and this machine → what to measure here, and what cannot be."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from lnbench import registry
from lnbench.errors import ConfigError, NothingMeasuredError, UnknownNameError
from lnbench.measure import memory
from lnbench.measure.home import Ground
from lnbench.measure.launch import variables
from lnbench.measure.probe import Machine, probe
from lnbench.measure.visit import Setting
from lnbench.plan import suite as suites
from lnbench.plan.budget import Budget
from lnbench.plan.case import Benchmark
from lnbench.plan.overrides import Overrides, parse_overrides
from lnbench.plan.suite import Suite
from lnbench.record.machine import physical_cores, usable_cpus
from lnbench.record.outcome import Failed, Outcome, SideName, Skipped, Stage

_AXES = ("operation", "direction", "shape", "dtype", "device", "backend", "cache", "outputs")
_BUDGET = ("precision", "time", "max_time", "timeout", "passes")


class Chosen(msgspec.Struct, frozen=True):
    """What a command works on."""

    suite: Suite
    """The suite, with flags in place."""
    benchmarks: tuple[Benchmark, ...]
    """Every row, in the order of the tables."""
    unable: tuple[Outcome, ...]
    """Rows that cannot run here, with the reason."""
    machine: Machine
    """What this machine has."""
    setting: Setting
    """What holds for the session."""
    spawn: bool
    """Whether workers are spawned, not forked."""


def chosen_suite(suite: str, flags: Mapping[str, Any]) -> Suite:
    """Return the suite of that name with what the flags of a command say in its place."""
    known = {"operation": registry.operation_names(), "backend": registry.backend_names()}
    found = suites.load(flags.get("config")).suite(suite, known)
    return found.override(overrides(flags, known))


def overrides(flags: Mapping[str, Any], known: Mapping[str, tuple[str, ...]]) -> Overrides:
    """Return what the flags of a command say instead of the suite."""
    axes = {"output" if name == "outputs" else name: flags.get(name) or () for name in _AXES}
    return parse_overrides(
        axes,
        known,
        budget={name: flags.get(name) for name in _BUDGET},
        preset=_preset(flags),
        filters=flags.get("filter_") or (),
    )


@contextlib.contextmanager
def choose(suite: str, flags: Mapping[str, Any]) -> Iterator[Chosen]:
    """Yield what the flags of a command ask for, after asking the machine what it can do."""
    picked = chosen_suite(suite, flags)
    threads = flags.get("threads") or physical_cores()
    with tempfile.TemporaryDirectory(prefix=f"lnbench-{os.getpid()}-inductor-") as cache:
        autotune = bool(flags.get("autotune"))
        ground = Ground(variables(threads, usable_cpus(), Path(cache), autotune=autotune))
        machine, benchmarks = _on_this_machine(picked, ground)
        if not benchmarks:
            raise NothingMeasuredError(
                f"suite '{suite}' with these flags selects no benchmark",
                "see what there is: lnbench list benchmarks",
            )
        setting = setting_of(flags, picked.budget, threads, ground, machine)
        unable = tuple(outcome for each in benchmarks if (outcome := unable_outcome(each, machine)))
        yield Chosen(picked, benchmarks, unable, machine, setting, spawns(flags))


def setting_of(
    flags: Mapping[str, Any], budget: Budget, threads: int, ground: Ground, machine: Machine
) -> Setting:
    """Return what holds for a session on this machine."""
    return Setting(
        budget=budget,
        seed=flags.get("seed") or 0,
        threads=threads,
        ground=ground,
        memory_bytes=int(memory.free_bytes() * memory.WORKER_SHARE),
        device_bytes=machine.free_bytes,
    )


def _on_this_machine(picked: Suite, ground: Ground) -> tuple[Machine, tuple[Benchmark, ...]]:
    """Return what the machine has, and the benchmarks with `auto` resolved."""
    installed = registry.backend_names()
    named = {name for entry in picked.grids for name in entry.grid.backend or installed}
    devices = dict.fromkeys(name for entry in picked.grids for name in entry.grid.device)
    machine = probe(sorted(named | {registry.SPEED_LIMIT}), devices, ground)
    benchmarks = picked.benchmarks(machine.auto, installed, registry.SPEED_LIMIT)
    return machine, tuple(benchmarks)


def unable_outcome(benchmark: Benchmark, machine: Machine, side: SideName = "") -> Outcome | None:
    """Return why a benchmark cannot run on a machine, as its outcome; None where it can."""
    found = machine.find(benchmark.backend, benchmark.case.device)
    if found.available:
        return None
    if found.broken:
        return Failed(benchmark, Stage.PREPARE, found.text, side)
    return Skipped(benchmark, found.text, side)


def check_relative(name: str | None, chosen: Chosen) -> None:
    """Raise UnknownNameError where speedups are wanted against a backend that does not run."""
    backends = {each.backend for each in chosen.benchmarks}
    if name is not None and name not in backends:
        raise UnknownNameError("backend", name, backends, "--relative-to")


def _preset(flags: Mapping[str, Any]) -> str | None:
    if flags.get("fast") and flags.get("rigorous"):
        raise ConfigError("--fast and --rigorous exclude each other", "give one of them")
    return "fast" if flags.get("fast") else "rigorous" if flags.get("rigorous") else None


def spawns(flags: Mapping[str, Any]) -> bool:
    """Return whether workers are spawned, by flag or because this system cannot fork safely."""
    method = flags.get("start_method")
    if method not in (None, "fork", "spawn"):
        raise ConfigError(f"--start-method: '{method}' is neither fork nor spawn")
    if method == "fork" and not hasattr(os, "fork"):
        raise ConfigError("--start-method fork: this system cannot fork", "use spawn")
    # Elsewhere a forked child that touches the system's frameworks is not safe: Python itself
    # spawns on macOS since 3.8.
    return method == "spawn" or (method is None and not sys.platform.startswith("linux"))
