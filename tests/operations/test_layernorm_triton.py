"""Triton's LayerNorm, interpreted and compiled ahead of time, each in processes of their own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("triton") is None, reason="triton is not installed"
    ),
]

HERE = Path(__file__).parent

INTERPRETED = {
    "agreement": "TestAgreement",
    "tiers": "TestTiers",
    "numbers, interface and autograd": "not TestAgreement and not TestTiers",
}


def run(file, *arguments, **environment):
    """Run a file of tests in a process of its own, and fail with what it printed."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", HERE / file]
    inherited = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [*command, *arguments],
        env=inherited | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        pytest.fail(done.stdout, pytrace=False)


@pytest.mark.parametrize("group", INTERPRETED)
def test_the_interpreted_kernels_keep_their_laws(group):
    run("triton_interpreted.py", "-k", INTERPRETED[group], TRITON_INTERPRET="1")


@pytest.mark.skipif(sys.platform != "linux", reason="triton ships ptxas for Linux alone")
def test_the_kernels_compile_for_gpus_without_one(tmp_path):
    run("triton_compiled.py", TRITON_CACHE_DIR=str(tmp_path))
