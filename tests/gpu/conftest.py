"""With LNBENCH_NEEDS_GPU=1, as `run.sh` sets it, a machine without CUDA is a failure, no skip."""

import os

import pytest


def pytest_sessionstart(session):
    if os.environ.get("LNBENCH_NEEDS_GPU") != "1":
        return
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.exit(f"torch {torch.__version__} sees no CUDA device", returncode=3)


def pytest_sessionfinish(session, exitstatus):
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("LNBENCH_NEEDS_GPU") == "1" and terminal and not terminal.stats.get("passed"):
        session.exitstatus = exitstatus or 3  # everything was skipped
