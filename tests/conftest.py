"""What several test files share."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from factories import PLUGINS
from hypothesis import HealthCheck, settings

from lnbench.plan.budget import Budget
from lnbench.session.setting import Setting
from lnbench.workers.variables import variables

# A shell's background job ignores Ctrl-C, and so would all that the tests start and interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A machine that others keep busy takes any time for an example, and for drawing one.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """The variables of workers, which find the faulty plug-ins of tests/plugins."""
    paths = [str(PLUGINS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return variables(1, (0,), tmp_path / "inductor") | {"PYTHONPATH": os.pathsep.join(paths)}


@pytest.fixture
def setting() -> Setting:
    """A session of two short passes."""
    budget = Budget(passes=2, rounds=3, timeout_s=60)
    return Setting(budget=budget, seed=0, threads=1)


@pytest.fixture
def lnbench(tmp_path: Path, environment: dict[str, str]):
    """The command in a process and a folder of its own, with the faulty plug-ins at hand."""

    def run(
        *arguments: str, check: int | None = 0, **extra: str
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "lnbench", *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=environment | {"COLUMNS": "100"} | extra,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert check is None or done.returncode == check, (
            done.returncode,
            done.stdout,
            done.stderr,
        )
        return done

    return run
