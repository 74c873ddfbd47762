"""benchmarks.yaml and flags → `Suite`: which benchmarks, and how much measuring."""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from lnbench.errors import ConfigError, UnknownNameError, suggestion
from lnbench.plan.axes import (
    AXES,
    BUDGET_KEYS,
    axis_values,
    budget_of,
    budget_value,
    check_names,
    located,
)
from lnbench.plan.budget import Budget
from lnbench.plan.case import DEVICE_TYPES, Benchmark, Case, check_name
from lnbench.plan.grid import Grid
from lnbench.plan.overrides import Overrides
from lnbench.plan.yaml_file import load_yaml, shown

FILE_NAME = "benchmarks.yaml"
_TIMES = frozenset(("time", "max_time"))
MOST_CASES = 100_000
"""More than any run could measure in a month; beyond lies a slip of a power of ten."""


class GridEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A grid, and the device types for which it is meant."""

    grid: Grid
    """The axes."""
    when: tuple[str, ...] = ()
    """Types of device on which the grid is used, after `auto` is resolved; none means all."""
    where: str = ""
    """The place that messages name: `benchmarks.yaml: suites.quick[0]`."""

    def cases(self, device: str) -> Iterator[Case]:
        """Yield the cases of the grid, with `device` in place of `auto`, and only where it fits."""
        devices = dict.fromkeys(device if name == "auto" else name for name in self.grid.device)
        fitting = tuple(
            name for name in devices if not self.when or name.partition(":")[0] in self.when
        )
        if fitting:
            yield from msgspec.structs.replace(self.grid, device=fitting).cases()


class Suite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to measure, and how much."""

    name: str
    """What users call it."""
    grids: tuple[GridEntry, ...]
    """The grids, in the order of the file."""
    budget: Budget = Budget()
    """How much measuring to do."""
    filters: tuple[str, ...] = ()
    """Globs over benchmark ids; a benchmark stays where any of them fits. None: all stay."""
    timed: bool = False
    """Whether the file or a flag says how long: then rows may stop too early for a verdict."""

    def override(self, overrides: Overrides) -> "Suite":
        """Return the suite with what flags say in its place."""
        return Suite(
            self.name,
            tuple(
                msgspec.structs.replace(entry, grid=overrides.grid(entry.grid))
                for entry in self.grids
            ),
            overrides.budget_over(self.budget),
            (*self.filters, *overrides.filters),
            overrides.preset == "fast"
            or not _TIMES.isdisjoint(key for key, _ in overrides.budget)
            or (self.timed and overrides.preset is None),
        )

    def benchmarks(
        self, device: str, backends: tuple[str, ...] = (), limit: str = "copy"
    ) -> Iterator[Benchmark]:
        """Yield each distinct benchmark once, the backends of one case side by side.

        Args:
            device: what `auto` means here, such as `cpu` or `cuda`.
            backends: every installed backend, for grids that name none.
            limit: the backend that comes along in every case, last.
        """
        for case, names in self._cases(device, backends):
            rows = [Benchmark(case, name) for name in names if name != limit]
            yield from self._narrowed(rows, Benchmark(case, limit))

    def _cases(
        self, device: str, backends: tuple[str, ...]
    ) -> Iterator[tuple[Case, dict[str, None]]]:
        """Yield each distinct case once, with the backends of all grids that span it, in order."""
        by_id: dict[str, tuple[Case, dict[str, None]]] = {}
        self._check_size()
        for entry in self.grids:
            where = entry.where or f"suite '{self.name}'"
            for case in located(lambda entry: tuple(entry.cases(device)), entry, where):
                same, names = by_id.setdefault(case.id, (case, {}))
                if same.device != case.device:
                    # Reports join on the type of the device: two of one type are one identity.
                    raise ConfigError(
                        f"{where}: both '{same.device}' and '{case.device}' in one run",
                        "measure one device of a type at a time",
                    )
                for name in entry.grid.backend or backends:
                    check_name(name, "its plug-in has to rename it; -b measures others")
                    names[name] = None
        yield from by_id.values()

    def _narrowed(self, rows: list[Benchmark], limit: Benchmark) -> Iterator[Benchmark]:
        kept = [row for row in rows if row.fits(self.filters)]
        yield from kept
        if kept or limit.fits(self.filters):
            yield limit

    def _check_size(self) -> None:
        axes = [axis for axis in AXES if axis != "backend"]
        cases = sum(
            math.prod(len(getattr(entry.grid, axis)) for axis in axes) for entry in self.grids
        )
        if cases > MOST_CASES:
            raise ConfigError(
                f"suite '{self.name}' spans {cases} cases; at most {MOST_CASES} make sense",
                "shorten an axis, or split the suite",
            )


class SuiteFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of suites."""

    name: str
    """How messages call the file."""
    suites: tuple[Suite, ...]
    """The suites, in the order of the file."""

    def names(self) -> tuple[str, ...]:
        """Return the names of the suites."""
        return tuple(suite.name for suite in self.suites)

    def suite(self, name: str, known: Mapping[str, tuple[str, ...]] | None = None) -> Suite:
        """Return the suite of that name; UnknownNameError where it, or a name in it, is none.

        Args:
            name: what the user asked for; the id of a benchmark is a suite of it alone.
            known: the names that exist, by axis: `operation` and `backend`; others pass.
        """
        suite = next((suite for suite in self.suites if suite.name == name), None)
        if suite is None and "/" in name:
            suite = Suite(name, (GridEntry(Grid.of(Benchmark.parse(name)), where=name),))
        if suite is None:
            raise UnknownNameError("suite", name, self.names(), self.name)
        for entry in suite.grids:
            for axis in ("operation", "backend"):
                names = getattr(entry.grid, axis)
                check_names(axis, names, known or {}, f"{entry.where}.{axis}")
        return suite


def load(path: Path | None = None) -> SuiteFile:
    """Return the suites of `path`, else of ./benchmarks.yaml, else of the file that lnbench brings.

    The last lies in the package where lnbench was built, and beside it in an editable install.
    """
    here = Path(FILE_NAME)
    chosen = path or (here if here.exists() else own_file())
    return _suite_file(load_yaml(chosen), shown(chosen))


def own_file() -> Path:
    """Return the file of suites that lnbench brings; ConfigError where it is lost."""
    package = Path(__file__).parents[1]
    for place in (package / FILE_NAME, package.parent / FILE_NAME):
        if place.exists():
            return place
    raise ConfigError(f"no {FILE_NAME} here, and none in lnbench itself", "reinstall lnbench")


def _suite_file(data: object, name: str) -> SuiteFile:
    top = _mapping(data, name, ("budget", "suites"), f"{name}: ")
    numbers = _mapping(top.get("budget", {}), f"{name}: budget", tuple(BUDGET_KEYS))
    numbers = {key: budget_value(key, numbers[key], f"{name}: budget.{key}") for key in numbers}
    budget = budget_of(numbers, Budget(), f"{name}: budget")
    suites = _mapping(top.get("suites", {}), f"{name}: suites")
    if not suites:
        raise ConfigError(f"{name} holds no suite", "write suites: and a name with a list of grids")
    return SuiteFile(
        name,
        tuple(
            Suite(
                key,
                _grids(grids, f"{name}: suites.{key}"),
                budget,
                timed=not _TIMES.isdisjoint(numbers),
            )
            for key, grids in suites.items()
        ),
    )


def _grids(data: object, where: str) -> tuple[GridEntry, ...]:
    if not isinstance(data, list) or not data:
        raise ConfigError(f"{where}: expected a list of grids", "begin each grid with a dash")
    return tuple(_grid(item, f"{where}[{i}]") for i, item in enumerate(data))


def _grid(data: object, where: str) -> GridEntry:
    keys = _mapping(data, where, (*AXES, "when"))
    axes = {axis: axis_values(axis, keys[axis], f"{where}.{axis}") for axis in AXES if axis in keys}
    when = axis_values("device", keys["when"], f"{where}.when") if "when" in keys else ()
    for kind in when:
        if kind not in DEVICE_TYPES:
            raise UnknownNameError("device type", kind, DEVICE_TYPES, f"{where}.when")
    for key in ("operation", "shape"):
        if key not in axes:
            raise ConfigError(f"{where}: the key '{key}' is missing")
    return GridEntry(Grid(**axes), when, where)


def _mapping(
    data: object, where: str, known: tuple[str, ...] = (), prefix: str = ""
) -> dict[str, Any]:
    """Return `data` where it is a mapping with known keys; no `known` means any."""
    if not isinstance(data, dict):
        keys = f" with keys such as '{known[0]}'" if known else ""
        raise ConfigError(f"{where}: expected a mapping{keys}")
    for key in data:
        if known and key not in known:
            path = f"{prefix or where + '.'}{key}"
            raise ConfigError(f"{path}: unknown key", suggestion(key, known))
    return data
