"""Triton's LayerNorm, interpreted and compiled ahead of time, each in processes of their own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lnbench.backend import Available, Unavailable
from lnbench.backends.triton import Triton

needs_triton = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="triton is not installed"
)

HERE = Path(__file__).parent

INTERPRETED = {
    "agreement": ("triton_interpreted.py", "TestAgreement"),
    "forward tiers": ("triton_interpreted.py", "TestTiers and forward"),
    "backward tiers": ("triton_interpreted.py", "TestTiers and not forward"),
    "numbers, interface and backend": (
        "triton_interpreted.py",
        "not TestAgreement and not TestTiers",
    ),
    "autograd": ("triton_autograd.py", ""),
    "tuning": ("triton_tuned.py", ""),
}
"""Group of laws → their file, and pytest's expression for them."""


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


@needs_triton
@pytest.mark.slow
@pytest.mark.timeout(900)  # a file of tests each
@pytest.mark.parametrize("group", INTERPRETED)
def test_the_interpreted_kernels_keep_their_laws(group):
    file, expression = INTERPRETED[group]
    run(file, "-k", expression, TRITON_INTERPRET="1")


@needs_triton
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform != "linux", reason="triton ships ptxas for Linux alone")
def test_the_kernels_compile_for_gpus_without_one(tmp_path):
    run("triton_compiled.py", TRITON_CACHE_DIR=str(tmp_path))


def test_without_triton_the_backend_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    expected = Unavailable("triton is not installed: pip install 'lnbench[triton]'")
    assert Triton().availability("cpu") == expected
    Triton().preload()


def test_where_there_is_no_device_nothing_is_told_to_be_installed(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    assert "needs a CUDA device" in Triton().availability("cpu").reason


@needs_triton
def test_the_cpu_is_for_the_interpreter_alone(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    answer = Triton().availability("cpu")
    assert isinstance(answer, Unavailable)
    assert "TRITON_INTERPRET=1" in answer.reason
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    assert Triton().availability("cpu") == Available(note="interpreted")


@needs_triton
def test_a_device_that_is_not_there_is_unavailable_with_a_reason():
    for device in ("cuda:99", "mps", "xpu:0"):
        answer = Triton().availability(device)
        assert isinstance(answer, Unavailable)
        assert answer.reason
