"""The two sides of `lnbench ab`: from what the user wrote to an interpreter that is ready."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path

import msgspec

from lnbench import registry
from lnbench.errors import ConfigError, UnknownNameError
from lnbench.measure.messages import PROTOCOL
from lnbench.plan.side import SideKind, SideSpec
from lnbench.session.group import SIDES
from lnbench.session.own_kernels import at_commit
from lnbench.workers import install, overlay
from lnbench.workers.launcher import Interpreter
from lnbench.workers.probe import Machine

_PATIENCE_S = 300.0

_ASK = """
import json
from lnbench import registry
from lnbench.measure.messages import PROTOCOL
print(json.dumps({"protocol": PROTOCOL, "backends": registry.backend_names()}))
"""


class Side(msgspec.Struct, frozen=True):
    """A side that can be measured."""

    spec: SideSpec
    """What the user wrote."""
    interpreter: Interpreter
    """What its workers run under."""
    commit: str
    """The full hash of a `git:` side, else empty."""
    backends: tuple[str, ...]
    """Backends that it brings or has, by name."""
    brings: bool
    """Whether `backends` are its own project's: what a comparison of it is about."""

    @property
    def apart(self) -> bool:
        """Whether it needs an interpreter of its own."""
        return self.spec.kind is not SideKind.BACKEND


def interpreters(
    own: Interpreter, sides: Sequence[Side], machines: Sequence[Machine]
) -> dict[str, Interpreter]:
    """Return what workers run under by their side, told where they must not import torch."""
    all_ = {"": own} | {name: one.interpreter for name, one in zip(SIDES, sides, strict=False)}
    told = zip(all_.items(), (machines[0], *machines), strict=False)
    return {name: one.without_torch(machine.without_torch) for (name, one), machine in told}


class _Answer(msgspec.Struct, frozen=True):
    protocol: int
    backends: tuple[str, ...]


def side(spec: SideSpec, own: Interpreter) -> Side:
    """Return a side, after installing what it needs; ConfigError where that is not to be had.

    A backend of this environment has the session's own interpreter, which it shares.
    """
    match spec.kind:
        case SideKind.BACKEND:
            _check_backend(spec)
            return Side(spec, own, "", (spec.value,), brings=False)
        case SideKind.GIT:
            return _at_commit(spec, own.environment)
        case SideKind.PIP:
            folder = install.requirement_overlay(spec.value, spec.text)
            return _laid_over(spec, own.environment, folder, "")
        case SideKind.PYTHON:
            return _interpreter(spec, own.environment)


def _check_backend(spec: SideSpec) -> None:
    try:
        registry.check_name(registry.BACKENDS, "backend", spec.value)
    except UnknownNameError as error:
        raise ConfigError(
            f"{spec.text}: there is no backend '{spec.value}'",
            f"{error.hint}; a commit is git:{spec.value}, a file ./{spec.value}.py",
        ) from None


def _at_commit(spec: SideSpec, environment: Mapping[str, str]) -> Side:
    """Return a commit's project, its kernels that are in use, or both."""
    commit, used = install.commit_of(spec.value), registry.kernels_in_use()
    if used:
        then = at_commit(used.values(), commit, spec.text)
        environment = {**environment, **registry.kernels_variable(then)}
        if not install.has_project(commit):
            return Side(spec, Interpreter(environment), commit, tuple(used), brings=False)
    folder = install.commit_overlay(commit, spec.text)
    return _laid_over(spec, environment, folder, commit)


def _laid_over(spec: SideSpec, environment: Mapping[str, str], folder: Path, commit: str) -> Side:
    interpreter = Interpreter({**environment, overlay.VARIABLE: str(folder)})
    points = [
        point
        for distribution in distributions(path=[str(folder)])
        for point in distribution.entry_points
        if point.group == registry.BACKENDS and point.name != registry.SPEED_LIMIT
    ]
    names = tuple(sorted({point.name for point in points}))
    return Side(spec, interpreter, commit, names or registry.backend_names(), brings=bool(names))


def _interpreter(spec: SideSpec, environment: Mapping[str, str]) -> Side:
    path = Path(spec.value).expanduser()
    if path.is_dir():
        path = path / "bin" / "python"
    if not os.access(path, os.X_OK) or path.is_dir():
        raise ConfigError(
            f"{spec.text} is no interpreter: {path} cannot be run", "name a venv or its bin/python"
        )
    # An interpreter must not follow the link out of its venv.
    interpreter = Interpreter(environment, str(path.absolute()))
    answer = _ask(spec, interpreter)
    if answer.protocol != PROTOCOL:
        raise ConfigError(
            f"{spec.text} has an lnbench whose workers speak protocol {answer.protocol}, "
            f"this one speaks {PROTOCOL}",
            f"install the same lnbench there: {path} -m pip install …",
        )
    return Side(spec, interpreter, "", answer.backends, brings=False)


def _ask(spec: SideSpec, interpreter: Interpreter) -> _Answer:
    try:
        done = subprocess.run(  # noqa: S603  (the user's own interpreter)
            [interpreter.python, "-P", "-c", _ASK],
            env=dict(interpreter.environment),
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
        return msgspec.json.decode(done.stdout, type=_Answer)
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{spec.text} does not answer within {_PATIENCE_S:.0f} s") from None
    except (OSError, msgspec.DecodeError):
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise ConfigError(
            f"{spec.text} cannot run lnbench: {last}",
            f"it needs the lnbench of this environment ({sys.version_info[0]}.11 or newer)",
        ) from None
