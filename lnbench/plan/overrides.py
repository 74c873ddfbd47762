"""What flags say instead of the suite: axes, budget and filters."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from lnbench.errors import ConfigError, UnknownNameError
from lnbench.plan.axes import axis_values, budget_of, budget_value, check_names
from lnbench.plan.budget import PRESETS, Budget
from lnbench.plan.case import Cache, Direction, DType, Output
from lnbench.plan.grid import Grid


class Overrides(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Each axis that is said replaces that axis of every grid; None means not said."""

    operation: tuple[str, ...] | None = None
    """Names of operations."""
    direction: tuple[Direction, ...] | None = None
    """Directions."""
    shape: tuple[tuple[int, ...], ...] | None = None
    """Shapes of the input."""
    dtype: tuple[DType, ...] | None = None
    """Element types of the input."""
    device: tuple[str, ...] | None = None
    """Devices."""
    backend: tuple[str, ...] | None = None
    """Names of backends."""
    cache: tuple[Cache, ...] | None = None
    """Hot and cold operands."""
    output: tuple[Output, ...] | None = None
    """Allocated and ready outputs."""
    preset: str | None = None
    """A key of `PRESETS`, in place of the file's budget; None keeps that of the file."""
    budget: tuple[tuple[str, float], ...] = ()
    """Numbers of the budget by the users' names, over preset and file: `time`, not `time_s`."""
    filters: tuple[str, ...] = ()
    """Globs over benchmark ids; a benchmark stays where any of them fits. None: all stay."""

    def grid(self, grid: Grid) -> Grid:
        """Return the grid with the axes that are said."""
        axes = {axis: getattr(self, axis) for axis in FLAG_AXES}
        return msgspec.structs.replace(
            grid, **{axis: values for axis, values in axes.items() if values is not None}
        )

    def budget_over(self, budget: Budget) -> Budget:
        """Return the preset, or else `budget`, with the numbers that are said."""
        if self.preset is not None and self.preset not in PRESETS:
            raise UnknownNameError("budget", self.preset, PRESETS)
        base = budget if self.preset is None else PRESETS[self.preset]
        return budget_of(dict(self.budget), base, "budget")


_ID_SLASHES = 5  # in a benchmark's id
FLAG_AXES = tuple(name for name in Overrides.__struct_fields__ if name in Grid.__struct_fields__)
"""The axes that have a flag."""


def parse_overrides(
    axes: Mapping[str, Iterable[str]],
    known: Mapping[str, tuple[str, ...]],
    *,
    budget: Mapping[str, str | float | None] | None = None,
    preset: str | None = None,
    filters: Iterable[str] = (),
) -> Overrides:
    """Return what flags say; each text may hold several values with commas between.

    Args:
        axes: texts by axis, one for each time that the flag was given; none means not said.
        known: the names that exist, by axis: `operation` and `backend`.
        budget: numbers by the users' names, such as `precision`, `max_time`; None: not said.
        preset: `fast`, `rigorous` or `default`.
        filters: globs over benchmark ids.
    """
    values = {axis: _values(axis, list(texts), known) for axis, texts in axes.items()}
    numbers = tuple(
        (key, number)
        for key, text in (budget or {}).items()
        if text is not None and (number := budget_value(key, text, _flag(key))) is not None
    )
    for key, number in numbers:
        budget_of({key: number}, Budget(), _flag(key))
    return Overrides(**values, preset=preset, budget=numbers, filters=globs(filters))


NO_CASES = "there are fewer cases than shares"
"""Why a share may be empty."""


def share_of_cases(text: str | None) -> slice:
    """Return which cases a share such as `2/5` has: every fifth, beginning with the second."""
    if text is None:
        return slice(None)
    number, _, total = text.partition("/")
    if not (number.isdecimal() and total.isdecimal() and 0 < int(number) <= int(total)):
        raise ConfigError(f"--shard: '{text}' is no share", "write 2/5 for the second of five")
    return slice(int(number) - 1, None, int(total))


def _values(axis: str, texts: list[str], known: Mapping[str, tuple[str, ...]]) -> Any:
    if not texts:
        return None
    flag = _flag("outputs" if axis == "output" else axis)
    parts = _parts(texts, flag)
    check_names(axis, parts, known, flag)
    if axis == "shape":
        _refuse_lists(texts)
    return tuple(value for part in parts for value in axis_values(axis, part, flag))


def _refuse_lists(texts: list[str]) -> None:
    """Raise ConfigError where commas stand between numbers, which are shapes of one dimension."""
    for text in texts:
        if "," in text and all(part.strip().isdecimal() for part in text.split(",")):
            meant = "x".join(part.strip() for part in text.split(","))
            raise ConfigError(
                f"--shape: '{text}' is {len(text.split(','))} shapes of one dimension each",
                f"for one shape write {meant}; for several, repeat --shape",
            )


def globs(texts: Iterable[str]) -> tuple[str, ...]:
    """Return globs over ids; a plain word matches anywhere in one."""
    parts = _parts(texts, "--filter")
    whole = [set(part) & set("*?[") or part.count("/") >= _ID_SLASHES for part in parts]
    return tuple(
        part if as_it_is else f"*{part}*" for part, as_it_is in zip(parts, whole, strict=True)
    )


def _parts(texts: Iterable[str], flag: str) -> tuple[str, ...]:
    parts = tuple(part.strip() for text in texts for part in text.split(","))
    if not all(parts):
        raise ConfigError(f"{flag}: a value is empty", "write values with commas between: a,b")
    return parts


def _flag(key: str) -> str:
    return "--" + key.replace("_", "-")
