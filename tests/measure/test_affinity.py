"""A backend with threads of its own gets all CPUs, although torch's OpenMP binds the nursery."""

import os
import sys
from pathlib import Path

import pytest

from lnbench.measure import messages
from lnbench.plan.case import Benchmark, Case, Direction, DType
from lnbench.record.machine import usable_cpus
from lnbench.workers.launcher import Interpreter, Nursery
from lnbench.workers.variables import variables

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs Linux's affinity"),
    pytest.mark.skipif(len(usable_cpus()) < 2, reason="needs two CPUs"),
]

CASE = Case("layernorm", Direction.FORWARD, (2048, 512), DType.FLOAT32, "cpu")


@pytest.fixture(scope="module", params=["fork", "spawn"])
def place(request, tmp_path_factory):
    """How workers are started, on two threads: variables and the nursery, which knows torch."""
    environment = variables(2, usable_cpus(), tmp_path_factory.mktemp("inductor"))
    ground = Interpreter(environment)
    home = (
        Nursery(("torch-eager", "numpy"), ("layernorm",), ground)
        if request.param == "fork"
        else ground
    )
    yield home
    if isinstance(home, Nursery):
        assert not home.obstacle
        home.close()


@pytest.fixture
def started(place, tmp_path):
    """A call that starts a worker and has it prepare a backend on two threads."""
    home = place
    workers = []

    def start(backend):
        worker = home.start(tmp_path / f"{backend}.log")
        workers.append(worker)
        make = messages.MakeInputs(CASE, 0, str(tmp_path), truth=False)
        worker.ask(make, messages.InputsMade, 120)
        prepare = messages.Prepare(Benchmark(CASE, backend), str(tmp_path), "", 2, 1, None)
        worker.ask(prepare, messages.Prepared, 120)
        return worker.pid

    yield start
    for worker in workers:
        worker.end()


def allowed(pid):
    """Return the CPUs of each thread of a process."""
    return {
        int(task.name): frozenset(os.sched_getaffinity(int(task.name)))
        for task in Path(f"/proc/{pid}/task").iterdir()
    }


def test_the_threads_of_a_numpy_worker_may_use_two_cpus(started):
    pid = started("numpy")

    found = allowed(pid)
    pool = [cpus for thread, cpus in found.items() if thread != pid]
    assert found[pid] == set(usable_cpus()[:1])  # it computes or waits, in no helper's way
    assert len(pool) >= 2
    assert frozenset.union(*pool) == frozenset(usable_cpus()[:2])


@pytest.mark.parametrize("backend", ["torch-eager", "copy"])
def test_each_thread_of_torch_has_a_cpu_of_its_own(started, backend):
    found = allowed(started(backend))

    assert len(frozenset.union(*found.values())) == 2
    assert all(len(cpus) == 1 for cpus in found.values())
