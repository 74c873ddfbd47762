"""What a process had of the CPUs, by the kernel's clock and by psutil's."""

import math
import os
import subprocess
import sys
import time

import pytest

from lnbench.session import cpu_time

WORK = (
    "import sys, time\nwhile time.process_time() < 0.3: pass\nprint(flush=True)\nsys.stdin.read()"
)


@pytest.mark.parametrize("clock", ["the kernel's", "psutil's"])
def test_a_process_is_told_what_it_computed_and_not_what_it_slept(clock, monkeypatch):
    def refused(_):
        raise OSError(22, "Invalid argument")

    if clock == "psutil's":
        monkeypatch.setattr(time, "clock_gettime", refused)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", WORK], **pipes) as child:
        child.stdout.readline()
        had_s = cpu_time.had_s(child.pid)
        child.stdin.close()
    assert 0.25 < had_s < 5
    assert cpu_time.had_s(child.pid) == 0.0


def test_what_nobody_counts_is_no_wait_of_zero():
    assert math.isnan(cpu_time.waited_s(2**22 + 1))  # no process has that number
    if os.path.exists("/proc/self/schedstat"):
        assert cpu_time.waited_s(os.getpid()) >= 0.0
