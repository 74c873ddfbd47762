"""The interpreter that workers are forked from: what they share, what they ignore, how they end."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from lnbench.measure import messages, shared
from lnbench.plan.case import Benchmark, Case, Direction, DType
from lnbench.workers import handle as handles
from lnbench.workers import nursery
from lnbench.workers.handle import WorkerError, WorkerHandle, last_words
from lnbench.workers.launcher import Interpreter, Nursery, spawns

pytestmark = pytest.mark.skipif(spawns(None), reason="workers are forked on Linux only")

COUNTING = """
import os
from lnbench_faulty import Plain

CALLS = []

class Counting(Plain):
    name = "counting"

    def routine(self, *arguments):
        CALLS.append(1)
        made = super().routine(*arguments)
        made.details = lambda: {"calls": len(CALLS), "pid": os.getpid()}
        return made
"""


@pytest.fixture
def counting(environment, tmp_path):
    """The variables under which there is a backend that counts its routines."""
    info = tmp_path / "site" / "counting-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: counting\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[lnbench.backends]\ncounting = counting:Counting\n")
    (info.parent / "counting.py").write_text(COUNTING)
    paths = os.pathsep.join([environment["PYTHONPATH"], str(info.parent)])
    return environment | {"PYTHONPATH": paths}


@pytest.fixture
def launcher(counting):
    made = Nursery(("counting", "numpy"), ("layernorm",), Interpreter(counting))
    yield made
    made.close()


@pytest.fixture
def forked(launcher, tmp_path, counting):
    """A call that forks a worker; all of them end with the test."""
    made = []

    def fork():
        made.append(launcher.start(tmp_path / f"{len(made)}.log"))
        return made[-1]

    yield fork
    for worker in made:
        worker.end()


def prepared(worker, folder):
    case = Case("layernorm", Direction.FORWARD, (8, 16), DType.FLOAT32, "cpu")
    shared.write(folder / "inputs", inputs())
    request = messages.Prepare(Benchmark(case, "counting"), str(folder), "", 1, 1, None)
    return dict(worker.ask(request, messages.Prepared, 60).details)


def inputs():
    vector = np.ones(16, np.float32)
    return {"x": np.eye(8, 16, dtype=np.float32), "weight": vector, "bias": vector}


def answers(worker):
    """Whether a worker is there, and refuses what it was not prepared for."""
    with pytest.raises(WorkerError, match="before it was asked to prepare"):
        worker.ask(messages.TakeSample(), messages.Sampled, 60)
    return True


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def alive(pid):
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_forks_are_processes_that_share_nothing_that_changes(launcher, forked, tmp_path):
    workers = [forked() for _ in range(3)]

    found = [prepared(worker, tmp_path) for worker in workers]

    pids = {each["pid"] for each in found}
    assert pids == {worker.pid for worker in workers}
    assert len(pids | {launcher._process.pid, os.getpid()}) == 5
    assert [each["calls"] for each in found] == [1, 1, 1]


def test_a_fork_that_dies_takes_no_other_with_it(forked):
    first, second = forked(), forked()

    os.kill(first.pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match="killed by SIGKILL"):
        first.ask(messages.TakeSample(), messages.Sampled, 60)

    assert answers(second)
    assert answers(forked())


def test_a_fork_ends_when_its_own_line_is_hung_up_whoever_was_forked_later(forked):
    first, second = forked(), forked()

    first._connection.close()

    wait_until(lambda: not alive(first.pid))
    assert answers(second)


def test_ctrl_c_is_for_the_session_alone(launcher, forked):
    worker = forked()
    assert answers(worker)

    for pid in (launcher._process.pid, worker.pid):
        status = Path(f"/proc/{pid}/status").read_text()
        ignored = int(re.search(r"SigIgn:\s*(\w+)", status)[1], 16)
        assert ignored & 1 << (signal.SIGINT - 1)
        assert os.getsid(pid) != os.getsid(0)  # the terminal's Ctrl-C does not reach it either
        os.kill(pid, signal.SIGINT)

    assert answers(worker)
    assert answers(forked())


def test_forks_end_with_their_nursery(launcher, forked):
    workers = [forked() for _ in range(2)]
    assert all(map(answers, workers))

    launcher.close()

    wait_until(lambda: not any(alive(worker.pid) for worker in workers))
    with pytest.raises(WorkerError, match="the worker is gone"):
        workers[0].ask(messages.TakeSample(), messages.Sampled, 60)


def test_a_nursery_has_one_thread_and_only_then_forks(launcher, environment, tmp_path):
    assert not launcher.obstacle
    assert len(list(Path(f"/proc/{launcher._process.pid}/task").iterdir())) == 1

    threaded = Nursery(("threaded",), (), Interpreter(environment))
    try:
        assert threaded.obstacle
        with pytest.raises(WorkerError, match="must not fork: it has more than one thread"):
            threaded.start(tmp_path / "log")
    finally:
        threaded.close()


@pytest.mark.parametrize("device", ["/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm"])
def test_a_process_that_has_opened_a_gpu_must_not_be_forked(tmp_path, monkeypatch, device):
    monkeypatch.setattr(nursery, "_TASKS", tmp_path / "task")
    monkeypatch.setattr(nursery, "_DESCRIPTORS", tmp_path / "fd")
    (tmp_path / "task" / "1").mkdir(parents=True)
    (tmp_path / "fd").mkdir()
    (tmp_path / "fd" / "0").symlink_to("/dev/null")
    assert nursery.obstacle() == ""

    (tmp_path / "fd" / "3").symlink_to(device)

    assert nursery.obstacle() == "it has opened a GPU"


def test_a_plug_in_that_cannot_be_loaded_does_not_end_the_nursery(environment, tmp_path):
    launcher = Nursery(("unloadable", "plain"), (), Interpreter(environment))
    try:
        worker = launcher.start(tmp_path / "log")
        assert answers(worker)
        worker.end()
    finally:
        launcher.close()


def test_what_a_fork_prints_goes_to_its_own_log(launcher, forked, tmp_path):
    first, second = forked(), forked()
    assert answers(first)
    assert answers(second)

    for number, worker in enumerate((first, second)):
        for stream in (1, 2):
            target = Path(f"/proc/{worker.pid}/fd/{stream}").readlink()
            assert target == tmp_path / f"{number}.log"


# The last words of a worker


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], []),
        (["one"], ["one"]),
        (["one", "two", "three", "four"], ["two", "three", "four"]),
        (
            [
                "compiling",
                "about to read address 0",
                "Fatal Python error: Segmentation fault",
                "Current thread 0x00007f (most recent call first):",
                'File "ctypes/__init__.py", line 519 in string_at',
                'File "mine.py", line 3 in run',
                "Extension modules: numpy (total: 1)",
            ],
            [
                "compiling",
                "about to read address 0",
                "Fatal Python error: Segmentation fault",
                'File "ctypes/__init__.py", line 519 in string_at',
            ],
        ),
        (
            ["Fatal Python error: Aborted", "Current thread 0x00007f:"],
            ["Fatal Python error: Aborted"],
        ),
        (
            [*map(str, range(9)), "Fatal Python error: Bus error", 'File "a.py", line 1 in f'],
            ["7", "8", "Fatal Python error: Bus error", 'File "a.py", line 1 in f'],
        ),
    ],
)
def test_the_last_words_are_the_crash_and_what_came_before_it_else_the_last(lines, words):
    assert last_words(lines) == words


SPINNING = """
import threading, numpy
numbers = numpy.random.default_rng(0).random(1 << 20)
def spin():
    while True:
        numpy.sort(numbers)  # without the interpreter's lock
for _ in range(3):
    threading.Thread(target=spin).start()
print("spinning", flush=True)
"""


def test_a_worker_that_is_told_to_stop_has_stopped_all_its_threads(tmp_path, monkeypatch):
    monkeypatch.setattr(handles, "_STOP_LIMIT_S", 30.0)  # beside others a thread waits to be told
    ours, theirs = socket.socketpair()
    with subprocess.Popen([sys.executable, "-c", SPINNING], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        handle = WorkerHandle(Connection(ours.detach()), process.pid, tmp_path / "log", os.waitpid)
        states = set()
        for _ in range(100):
            handle.stop()
            tasks = Path(f"/proc/{process.pid}/task").iterdir()
            states |= {(task / "stat").read_text().rpartition(")")[2].split()[0] for task in tasks}
            handle.go_on()
        process.kill()
    theirs.close()
    assert states == {"T"}


IMPORTING = """
import sys
from lnbench.backends.numba import Numba
from lnbench.backends.numpy import NumPy
from lnbench.backends.torch_eager import TorchEager

KNOWN = set()

def listening(base):
    class Listening(base):
        name = f"listening-{base.name}"

        def preload_kernels(self, kernels):
            super().preload_kernels(kernels)
            KNOWN.update(sys.modules)

        def routine(self, *arguments):
            made = super().routine(*arguments)
            details = made.details
            made.details = lambda: {**details(), "new": " ".join({*sys.modules} - KNOWN)}
            return made

    return Listening

numba, numpy, torch = map(listening, (Numba, NumPy, TorchEager))
"""
LISTENING = ("listening-numba", "listening-numpy", "listening-torch-eager")


# A step through autograd imports half a second more: few sessions have one.
@pytest.mark.parametrize("direction", [Direction.FORWARD, Direction.BACKWARD])
@pytest.mark.parametrize("backend", LISTENING)
def test_a_worker_imports_nothing_that_its_nursery_could_have(
    backend, direction, environment, tmp_path
):
    if backend == "listening-numba":
        pytest.importorskip("numba")
    info = tmp_path / "site" / "importing-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: importing\nVersion: 1.0\n")
    points = (f"{name} = importing:{name.split('-')[1]}" for name in LISTENING)
    (info / "entry_points.txt").write_text("\n".join(["[lnbench.backends]", *points]))
    (info.parent / "importing.py").write_text(IMPORTING)
    paths = os.pathsep.join([environment["PYTHONPATH"], str(info.parent)])
    case = Case("layernorm", direction, (8, 16), DType.FLOAT32, "cpu")
    folder = str(tmp_path / "arrays")
    home = Nursery((backend,), ("layernorm",), Interpreter(environment | {"PYTHONPATH": paths}))
    try:
        for number in range(2):  # what the first one compiles the second one finds
            maker, worker = (home.start(tmp_path / f"{n}{number}.log") for n in ("in", "out"))
            maker.ask(messages.MakeInputs(case, 0, folder, False), messages.InputsMade, 60)
            request = messages.Prepare(Benchmark(case, backend), folder, "", 1, None, None)
            new = dict(worker.ask(request, messages.Prepared, 60).details)["new"]
            maker.end()
            worker.end()
    finally:
        home.close()
    assert new.split() == []
