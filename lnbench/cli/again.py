"""The command that goes on with a report, as it was called and with little changed."""

import itertools
import math
import shlex
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec
import typer

from lnbench.cli import options
from lnbench.plan.flags import AbFlags, RunFlags

if TYPE_CHECKING:
    from lnbench.judge.fitness import Shortfall
    from lnbench.record.report import Report

_FLAGS: dict[str, Any] = {"run": RunFlags, "ab": AbFlags}

_OWN = frozenset(
    ("report", "resume", "force", "quiet", "format", "summary", "columns", "wide", "dry_run")
)
"""Fields of the flags that say nothing of what is measured."""

_ARGUMENTS = ("baseline", "candidate", "suite")
"""Fields that are said without an option, in their order."""

_TIMES = frozenset(("time", "max_time", "fast"))
"""Fields with which rows stop before a verdict is to be had."""


def again(
    arguments: Sequence[str],
    without: Collection[str] = (),
    *,
    command: str = "run",
    **changed: object,
) -> str:
    """Return a command line that can be called once more, without what belongs to one call.

    Args:
        arguments: a command and its arguments, as they were typed.
        without: fields of the flags that are left out too.
        command: what to name, where the arguments are those of another program.
        changed: options that are said in place of what was typed.
    """
    if not arguments or arguments[0] not in _FLAGS:
        return f"lnbench {command} …"
    dropped = _OWN.union(without, changed)
    kept = (words for name, words in _typed(arguments) if name not in dropped)
    words = list(itertools.chain(["lnbench"], *kept))
    for name, value in changed.items():
        words += [f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)


def spelled(flags: msgspec.Struct, kind: type[msgspec.Struct]) -> Iterator[str]:
    """Yield the command line of `run` or `ab` that says what flags say of a measurement.

    Args:
        flags: those of a command that has another one called, with the same fields.
        kind: the flags of that command.
    """
    yield next(command for command, struct in _FLAGS.items() if struct is kind)
    fields = {field.name: field.default for field in msgspec.structs.fields(kind)}
    yield from (getattr(flags, name) for name in _ARGUMENTS if name in fields)
    for name, default in fields.items():
        value = getattr(flags, name, default)
        if name in _OWN or name in _ARGUMENTS or not value or value == default:
            continue
        option = _spellings(name)[0]
        for each in value if isinstance(value, list) else [value]:
            yield option if each is True else f"{option}={each}"


def say_fitness(
    report: "Report", path: Path, lack: "Shortfall | None", arguments: Sequence[str]
) -> None:
    """Say to stderr what a report lacks to be a baseline, and the command that makes it one."""
    from lnbench.render.fitness import fitness_lines

    if lack is None:
        return
    typed = _typed(arguments) if arguments and arguments[0] in _FLAGS else ()
    changed: dict[str, Any] = {"passes": lack.cap} if lack.cap > report.budget.passes else {}
    if lack.time_s and not _TIMES.intersection(name for name, _ in typed):
        # It was the file that said how long.
        changed["time"] = math.ceil(2 * lack.time_s)
    command = again(arguments, _TIMES, **changed)
    for line in fitness_lines(lack, f"{command} --resume {shlex.quote(str(path))}"):
        typer.echo(line, err=True)


def _typed(arguments: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield what was typed, an option with its value at a time, and the field that it says."""
    types = get_type_hints(_FLAGS[arguments[0]])
    spelled = {spelling: name for name in types for spelling in _spellings(name)}
    words = iter(arguments)
    for word in words:
        long, equals, _ = word.partition("=")
        # What follows a short option may stand in one word with it: -oPATH.
        name = spelled.get(long) or ("" if word.startswith("--") else spelled.get(word[:2], ""))
        whole = equals or word not in spelled or types[name] is bool
        yield name, [word] if whole else [word, next(words, "")]


def _spellings(name: str) -> tuple[str, ...]:
    """Return how the option of a field is typed."""
    option = options.OPTIONS[name]
    # Where a type is annotated, Typer has the first spelling in the place of a default.
    first = option.default if isinstance(option.default, str) else f"--{name.replace('_', '-')}"
    return (first, *(option.param_decls or ()))
