"""Axes and budgets as users write them, in a file or in a flag, and what is wrong with them."""

import math
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from lnbench.errors import ConfigError, LnbenchError, UnknownNameError
from lnbench.plan.budget import Budget
from lnbench.plan.case import DTYPE_ALIASES, DType, Options, parse_device
from lnbench.plan.grid import Grid
from lnbench.plan.shapes import shape_of
from lnbench.units import parse_percent, parse_seconds

AXES: tuple[str, ...] = Grid.__struct_fields__
"""Names of the axes, in the order of the grid."""

BUDGET_KEYS: dict[str, str] = {
    field.removesuffix("_s"): field for field in Budget.__struct_fields__
}
"""What users call a field of the budget (`time`) → the field (`time_s`)."""

LARGEST_SHAPE = 2**63 - 1
"""Elements that an index of 64 bits reaches."""

_Argument = TypeVar("_Argument")
_Made = TypeVar("_Made")

_SHAPE = "a shape such as [128, 768] or 128x768"
_NOUNS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
_PARSERS: dict[str, Callable[[str | float], float]] = {
    "precision": parse_percent,
    **dict.fromkeys(("time", "max_time", "timeout"), parse_seconds),
}
_TYPES = {axis: get_args(hint)[0] for axis, hint in get_type_hints(Grid).items()}
_BUDGET_TYPES = get_type_hints(Budget)


def axis_values(axis: str, value: object, where: str) -> tuple[Any, ...]:
    """Return the values of an axis; a scalar stands for a list of one.

    Args:
        axis: one of `AXES`.
        value: what the user wrote.
        where: what the messages name, such as `benchmarks.yaml: suites.quick[0].dtype`.
    """
    if not isinstance(value, list):
        return (_axis_value(axis, value, where),)
    if not value:
        hint = "leave it out for every installed backend" if axis == "backend" else ""
        raise ConfigError(f"{where}: the axis is empty", hint)
    return tuple(_axis_value(axis, item, f"{where}[{i}]") for i, item in enumerate(value))


def check_names(
    axis: str, names: tuple[str, ...], known: Mapping[str, tuple[str, ...]], where: str
) -> None:
    """Raise UnknownNameError for a name that `known[axis]` lacks; an axis not in it passes."""
    for name in names:
        if axis in known and name not in known[axis]:
            raise UnknownNameError(axis, name, known[axis], where)


def budget_value(key: str, value: object, where: str) -> float | None:
    """Return one number of a budget, such as 0.05 for the precision '5%'."""
    hint = _BUDGET_TYPES[BUDGET_KEYS[key]]
    if key in _PARSERS and isinstance(value, str | int | float) and not isinstance(value, bool):
        return located(_PARSERS[key], value, where)
    number: float | None = _converted(value, hint, where)
    return number


def budget_of(values: Mapping[str, float | None], base: Budget, where: str) -> Budget:
    """Return `base` with the values given, by the names that users know."""
    fields = {BUDGET_KEYS[key]: value for key, value in values.items()}
    return located(lambda named: msgspec.structs.replace(base, **named), fields, where)


def located(make: Callable[[_Argument], _Made], argument: _Argument, where: str) -> _Made:
    """Return `make(given)`; what is wrong with it becomes a ConfigError that says where."""
    try:
        return make(argument)
    except LnbenchError as error:
        raise ConfigError(f"{where}: {error.message}", error.hint) from None
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from None


def _axis_value(axis: str, value: object, where: str) -> object:
    if axis == "shape":
        return _shape(value, where)
    hint = _TYPES[axis]
    words = [str(word) for kind in (hint, *get_args(hint)) for word in _words(kind)]
    if DType in (hint, *get_args(hint)) and isinstance(value, str):
        value = DTYPE_ALIASES.get(value.lower(), value)
    if words and isinstance(value, str) and value not in words:
        raise UnknownNameError(axis, value, words, where)
    made = _converted(value, hint, where)
    if axis == "device":
        return located(parse_device, made, where)
    if axis in ("eps", "normalized_dims"):
        located(lambda option: Options(**option), {axis: made}, where)
    return made


def _words(kind: Any) -> tuple[StrEnum, ...]:
    return tuple(kind) if isinstance(kind, type) and issubclass(kind, StrEnum) else ()


def _shape(value: object, where: str) -> tuple[int, ...]:
    if isinstance(value, str):
        shape = located(shape_of, value, where)
    else:
        shape = _converted(value, tuple[int, ...], where, _SHAPE)
    if not shape or min(shape) < 0:
        raise ConfigError(f"{where}: shape {list(shape)} needs sizes, and none below 0")
    if math.prod(size for size in shape if size) > LARGEST_SHAPE:
        raise ConfigError(f"{where}: shape {list(shape)} has more elements than 64 bits can count")
    return shape


def _converted(value: object, hint: Any, where: str, noun: str = "") -> Any:
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError:
        kinds = [kind for kind in (hint, *get_args(hint)) if kind is not type(None)]
        noun = noun or next((_NOUNS[kind] for kind in kinds if kind in _NOUNS), "a name")
        raise ConfigError(f"{where}: expected {noun}, got {_text(value)}") from None


def _text(value: object) -> str:
    """Return a wrong value as a message shows it."""
    if isinstance(value, dict):
        return "a mapping"
    text = "nothing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"  # noqa: PLR2004  (a sentence stays a line)
