"""The workers of a pass: which rows share one, and what ends it."""

import os
import signal
import time
from pathlib import Path

import pytest

from lnbench.measure import messages, shared
from lnbench.plan.case import Benchmark, Case, Direction, DType
from lnbench.workers.handle import WorkerError
from lnbench.workers.launcher import Interpreter, Nursery, spawns
from lnbench.workers.pass_workers import Home, PassWorkers, RefereeProcess

pytestmark = pytest.mark.skipif(spawns(None), reason="workers are forked on Linux only")


def case(device="cuda", shape=(8, 64)):
    return Case("layernorm", Direction.FORWARD, shape, DType.FLOAT32, device)


@pytest.fixture
def ground(environment):
    return Interpreter(environment)


@pytest.fixture
def workers(ground, tmp_path):
    home = Nursery(("numpy", "raises", "picky"), (), ground)
    with PassWorkers(
        {Home(): home}, {"": ground}, tmp_path, RefereeProcess(home, ground, tmp_path)
    ) as made:
        yield made
    home.close()


def prepare(worker, folder, backend="numpy"):
    """Have a worker prepare a case of the CPU, whatever it was lent for."""
    here = case("cpu")
    request = messages.MakeInputs(here, 0, str(folder), truth=False)
    worker.ask(request, messages.InputsMade, 60)
    request = messages.Prepare(Benchmark(here, backend), str(folder), "", 1, 1, None)
    return worker.ask(request, messages.Prepared, 60)


def state(worker):
    return Path(f"/proc/{worker.pid}/stat").read_text().rpartition(")")[2].split()[0]


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_on_cuda_one_process_serves_every_case_of_a_backend_and_rests_in_between(workers):
    with workers.lent(Home(), "numpy", case()) as first:
        pid = first.pid
    assert state(first) == "T"

    with (
        workers.lent(Home(), "other", case()) as other,
        workers.lent(Home(), "numpy", case(shape=(3, 5))) as again,
    ):
        assert again.pid == pid
        assert other.pid != pid


def test_on_the_cpu_every_row_has_a_process_of_its_own(workers):
    with workers.lent(Home(), "numpy", case("cpu")) as first:
        pid = first.pid
    assert gone(pid)

    with workers.lent(Home(), "numpy", case("cpu")) as second:
        assert second.pid != pid


def test_a_resting_worker_holds_nothing_of_the_case_before(workers, tmp_path):
    with workers.lent(Home(), "numpy", case()) as worker:
        prepare(worker, tmp_path)

    with (
        workers.lent(Home(), "numpy", case()) as again,
        pytest.raises(WorkerError, match="before it was asked to prepare"),
    ):
        again.ask(messages.TakeSample(), messages.Sampled, 60)
    shared.clear(tmp_path / "inputs")


def test_a_worker_that_failed_ends_and_one_without_a_kernel_goes_on(workers, tmp_path):
    pids = {}
    for backend in ("raises", "picky"):
        with workers.lent(Home(), backend, case()) as worker:
            pids[backend] = worker.pid
            with pytest.raises(WorkerError):
                prepare(worker, tmp_path, backend)

    assert gone(pids["raises"])
    with workers.lent(Home(), "picky", case()) as again:
        assert again.pid == pids["picky"]
    shared.clear(tmp_path / "inputs")


def test_a_resting_worker_that_was_killed_is_not_lent_again(workers):
    with workers.lent(Home(), "numpy", case()) as first:
        pid = first.pid
    os.kill(pid, signal.SIGKILL)
    while first.alive:
        time.sleep(0.01)

    with workers.lent(Home(), "numpy", case()) as second:
        assert second.pid != pid


def test_what_a_worker_printed_of_one_case_is_forgotten_with_it(workers, tmp_path):
    with workers.lent(Home(), "numpy", case()) as worker:
        worker._log.write_text("Fatal Python error: of the case before")

    with workers.lent(Home(), "numpy", case()) as again:
        assert again._log.read_text() == ""


def test_all_workers_end_with_the_pass(ground, tmp_path):
    with PassWorkers(
        {Home(): ground}, {"": ground}, tmp_path, RefereeProcess(ground, ground, tmp_path)
    ) as workers:
        assert workers.spawned(Home()) == ""
        with workers.lent(Home(), "numpy", case()) as worker:
            pid = worker.pid
        assert not gone(pid)
    assert gone(pid)


def test_where_a_nursery_has_died_workers_are_started_anew(ground, tmp_path):
    home = Nursery(("numpy",), (), ground)
    with PassWorkers(
        {Home(): home}, {"": ground}, tmp_path, RefereeProcess(home, ground, tmp_path)
    ) as workers:
        assert workers.spawned(Home()) is None
        home.close()
        assert workers.spawned(Home()) == "it has died"
        with workers.lent(Home(), "numpy", case("cpu")) as worker:
            assert worker.alive
