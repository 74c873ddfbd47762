"""`run.sh` itself, on a machine without a GPU: it must not look like success there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

HERE = Path(__file__).parent

without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")


def run(*command, **variables):
    environment = os.environ | {"PYTHON": sys.executable} | variables
    return subprocess.run(
        [*map(str, command)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        cwd=HERE.parents[1],
    )


@without_cuda
@pytest.mark.parametrize("part", ["first", "tests", "brief"])
def test_a_part_fails_and_says_that_there_is_no_cuda(part):
    done = run("bash", HERE / "run.sh", part)
    assert done.returncode == 2
    assert "no CUDA" in done.stderr


@without_cuda
def test_the_gpu_tests_fail_where_they_are_meant_to_run_and_cannot():
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "gpu")
    done = run(*command, HERE / "test_clock_cuda.py", LNBENCH_NEEDS_GPU="1")
    assert done.returncode == 3
    assert "sees no CUDA device" in done.stdout + done.stderr


def test_a_part_that_does_not_exist_prints_those_that_do():
    done = run("bash", HERE / "run.sh", "everything")
    assert done.returncode == 2
    assert "run.sh sweep" in done.stderr
