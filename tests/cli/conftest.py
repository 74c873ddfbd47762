"""The command in this process on an invented machine, and in processes on this one."""

import os
import sys
from types import SimpleNamespace

import pytest
from factories import PLUGINS, invented
from typer.testing import CliRunner

from lnbench.cli.app import app
from lnbench.plan.case import numbered
from lnbench.record.machine import usable_cpus
from lnbench.record.outcome import Skipped
from lnbench.session import selection, session
from lnbench.workers.probe import Answer, Machine
from lnbench.workers.variables import variables


@pytest.fixture
def fake(monkeypatch, tmp_path):
    """The command in this process: `session` holds what it asked of the invented session."""
    made = SimpleNamespace(session=None, outcome=invented, error=None, unavailable={}, probed=0)

    def probe(backends, devices, environment):
        made.probed += 1
        named = [device if device != "auto" else "cpu" for device in devices]
        found = [
            Answer(
                name,
                numbered(device),
                name not in made.unavailable,
                made.unavailable.get(name, ""),
            )
            for device in named
            for name in backends
        ]
        return Machine("cpu", {}, tuple(found), "3.11", {})

    def run(groups, interpreters, setting, stopping, *, spawn=False, unable=(), resume=()):
        benchmarks = [row.benchmark for group in groups for row in group]
        made.session = SimpleNamespace(
            benchmarks=benchmarks,
            interpreters=interpreters,
            setting=setting,
            spawn=spawn,
            unable=unable,
            resume=resume,
        )
        known = {outcome.benchmark: outcome for outcome in unable}
        outcomes = tuple(known.get(each) or made.outcome(each) for each in benchmarks)
        first = tuple(outcome for outcome in outcomes if isinstance(outcome, Skipped))
        yield session.Progress(first, 0, len(outcomes), 0, None, 1.0)
        done = len(outcomes)
        yield session.Progress(outcomes, done, done, 1, benchmarks[0].case, 0.0)
        if made.error is not None:
            raise made.error

    def call(*arguments, command="run", env=None):
        result = CliRunner().invoke(app, [command, *map(str, arguments)], env=env)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(selection, "probe", probe)
    monkeypatch.setattr(session, "run", run)
    made.call = call
    return made


@pytest.fixture(scope="session")
def process(tmp_path_factory):
    """What `subprocess` needs for the command in a new folder: arguments, and their options."""
    paths = [str(PLUGINS), *filter(None, [os.environ.get("PYTHONPATH")])]
    plugins = {"PYTHONPATH": os.pathsep.join(paths), "CUDA_VISIBLE_DEVICES": ""}
    cache = tmp_path_factory.mktemp("inductor")
    env = variables(1, usable_cpus(), cache) | plugins | {"COLUMNS": "100"}

    def made(*arguments, folder=None):
        cwd = folder or tmp_path_factory.mktemp("run")
        command = [sys.executable, "-P", "-m", "lnbench", *map(str, arguments)]
        return command, {"cwd": cwd, "env": env, "text": True}

    return made
