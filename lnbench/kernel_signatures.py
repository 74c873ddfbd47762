"""What the functions of a user's kernel say that they take."""

import importlib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from lnbench.operation import Operation

_EXTRAS = ("has_bias", "out", "pool", "fixed", "known")
"""Parameters of lnbench's own kernels that a user's need not have."""


def parameters(function: Callable[..., Any], *, every: bool = False) -> list[str] | None:
    """Return the names of what a function must be given, or of all; None where it does not say."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return None
    named = [each for each in parameters if each.kind is not each.VAR_KEYWORD]
    if every:
        return [each.name for each in named]
    positional = [each for each in named if each.kind is not each.KEYWORD_ONLY]
    return [each.name for each in positional if each.name not in _EXTRAS]


def takes(function: Callable[..., Any], arguments: Sequence[Any]) -> int:
    """Return how many of an operation's arguments a function takes by their place."""
    names = parameters(function, every=True)
    if names is None:
        return len(arguments)
    own = parameters(function) or []
    return len(own) + ("has_bias" in names) + ("known" in names)


def parameter_names(operation: Operation, function: str, most: int | None = None) -> list[str]:
    """Return what lnbench's own kernel of an operation calls its parameters, less the extras."""
    for framework in dict.fromkeys(("numpy", *operation.kernels)):  # others may be missing, or slow
        try:
            kernel = getattr(importlib.import_module(operation.kernels[framework]), function)
        # A framework that is there and broken may raise anything as it is imported.
        except Exception:  # noqa: BLE001, S112
            continue
        return (parameters(kernel) or [])[:most]
    return []
