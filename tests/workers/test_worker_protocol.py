"""The line to a worker: every wrong answer is words, and a stopped worker rests."""

import os
import signal
import socket
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from types import SimpleNamespace

import psutil
import pytest

from lnbench.measure import messages
from lnbench.measure.shared import Packed
from lnbench.plan.case import Benchmark, Case, Direction, DType
from lnbench.record.outcome import Agreement, OutputAgreement, Stage
from lnbench.workers.handle import WorkerError, WorkerHandle
from lnbench.workers.launcher import Interpreter

CASE = Case("layernorm", Direction.FORWARD, (8, 16), DType.FLOAT32, "cpu")
BENCHMARK = Benchmark(CASE, "plain")
AGREEMENT = Agreement({"y": OutputAgreement(1e-6, 1e-7, 2.0, 4e-6)})
PREPARED = messages.Prepared(
    first_call_s=0.1,
    iterations=3,
    checksum=1 << 31,
    peak_extra_bytes=None,
    details={"threads": 2, "interpreted": True, "name": "x", "share": 0.5},
)
PACKED = Packed(DType.BFLOAT16, (1, 2), b"\0\1\2\3")
FRESH = messages.Fresh(3, 1 << 31)
ROW = messages.NewRow(FRESH, {"y": PACKED})
REQUESTS = (
    messages.MakeInputs(CASE, 0, "/folder", True),
    messages.Compare(BENCHMARK, "/folder/results", True),
    messages.CompareRows(BENCHMARK, "/folder", (ROW, ROW), {"dw": PACKED}, {"y": 1e-7}),
    messages.CompareSets(BENCHMARK, 0, "/folder", "/results", ROW, {"dw": PACKED}),
    messages.Prepare(BENCHMARK, "/folder", "/results", 2, None, 1 << 40),
    messages.Prepare(BENCHMARK, "/folder", "", 2, 7, None),
    messages.Deliver("/results"),
    messages.TakeSample(),
    messages.TakeSample(3, FRESH, True, "/results"),
    messages.Inspect("describe = dict", ("math",)),
    messages.CheckMemory((FRESH, FRESH), 0.75),
    messages.Finish(),
    messages.Check(BENCHMARK, 0, "/folder", "/results", 2),
)
REPLIES = (
    messages.InputsMade({"y": 1e-7}),
    PREPARED,
    messages.Compared(AGREEMENT),
    messages.Compared(None, "y is off"),
    messages.Delivered(1 << 31),
    messages.Inspected({"time.sleep": "builtin"}),
    messages.MemoryChecked((1e-3,), (2e-3,), (ROW,)),
    messages.Sampled(1e-3, 0.5),
    messages.Finished(1 << 31, 2),
    messages.Checked({0: messages.Finding("random", None, "RuntimeError: oh", False)}),
    messages.Refused(Stage.PREPARE, "no"),
    messages.Refused(Stage.PREPARE, "no such kernel", unsupported=True),
    messages.Sampled(1e-3, 0.5, messages.Reading(1980, 3201, 41, 123.4, "power cap", 0)),
    messages.Sampled(1e-3, 0.5, outputs={"y": PACKED}, kept=3),
)


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: type(each).__name__)
def test_a_request_arrives_as_it_was_sent(request_):
    assert messages.decode_request(messages.encode(request_)) == request_


@pytest.mark.parametrize("reply", REPLIES, ids=lambda each: type(each).__name__)
def test_a_reply_arrives_as_it_was_sent(reply):
    assert messages.decode_reply(messages.encode(reply)) == reply


def _reaped(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


@pytest.fixture
def line(tmp_path):
    """A handle without a process, and the worker's end of its line."""
    ours, theirs = socket.socketpair()
    log = tmp_path / "worker.log"
    worker = Connection(theirs.detach())
    handle = WorkerHandle(Connection(ours.detach()), 0, log, os.waitpid)
    yield SimpleNamespace(handle=handle, worker=worker, log=log)
    handle.end()
    worker.close()


def ask(line, limit_s=5.0):
    return line.handle.ask(messages.TakeSample(), messages.Sampled, limit_s)


def test_an_answer_is_returned_and_the_request_was_read(line):
    line.worker.send_bytes(messages.encode(messages.Sampled(1e-3, 0.5)))

    assert ask(line) == messages.Sampled(1e-3, 0.5)
    assert messages.decode_request(line.worker.recv_bytes()) == messages.TakeSample()


@pytest.mark.parametrize(
    "answer",
    [
        b"\x00\xff\xfe",
        b"",
        b"{}",
        b"[]",
        b'{"type":"Sampled"}',
        b'{"type":"Nix","time_s":1}',
        b'{"type":"Sampled","time_s":"fast","page_faults":0}',
        b'{"type":"TakeSample"}',
        b'{"type":"Sampled","time_s":1e-3,"page_faults":0} and more',
    ],
)
def test_nonsense_is_called_so(line, answer):
    line.worker.send_bytes(answer)

    with pytest.raises(WorkerError, match=r"^answered nonsense: "):
        ask(line)


def test_an_answer_to_another_question_is_called_so(line):
    line.worker.send_bytes(messages.encode(messages.Finished(1)))

    with pytest.raises(WorkerError, match=r"^answered Finished instead of Sampled$"):
        ask(line)


def test_a_refusal_keeps_its_stage_and_its_words(line):
    line.worker.send_bytes(messages.encode(messages.Refused(Stage.VERIFY, "y is off")))

    with pytest.raises(WorkerError, match=r"^y is off$") as error:
        ask(line)

    assert error.value.refused.stage is Stage.VERIFY


def test_silence_ends_at_the_limit_with_what_was_printed(line):
    line.log.write_text("loading\ncompiling\n")

    with pytest.raises(WorkerError) as error:
        ask(line, limit_s=0.05)

    assert str(error.value) == "no answer within 0.05 s; it printed: loading | compiling"


def test_a_worker_that_says_nothing_uses_no_cpu_after_its_limit(tmp_path):
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    ours, theirs = socket.socketpair()
    with theirs:
        handle = WorkerHandle(Connection(ours.detach()), busy.pid, tmp_path / "log", lambda pid: 0)
        with pytest.raises(WorkerError, match="no answer"):
            handle.ask(messages.Finish(), messages.Finished, 0.05)
        assert busy.wait(timeout=30) == -signal.SIGKILL
        handle.end()


def test_a_line_that_is_hung_up_is_a_worker_that_is_gone(line):
    line.worker.close()

    with pytest.raises(WorkerError, match=r"^the worker is gone$"):
        ask(line)


def test_what_a_worker_printed_is_cut_to_a_line(line):
    line.log.write_bytes(b"\xff\n" + b"x" * 100_000 + b"\n\n  end  \n")
    line.worker.close()

    with pytest.raises(WorkerError) as error:
        ask(line)

    assert len(str(error.value)) < 500
    assert "\n" not in str(error.value)


# A worker of its own


@pytest.fixture
def worker(environment, tmp_path):
    made = Interpreter(environment).start(tmp_path / "worker.log")
    yield made
    made.end()


def alive(pid):
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (messages.TakeSample(), messages.Sampled),
        (messages.CheckMemory(()), messages.MemoryChecked),
        (messages.Finish(), messages.Finished),
        (messages.Deliver("/results"), messages.Delivered),
    ],
)
def test_a_worker_that_was_not_prepared_refuses_and_goes_on(worker, request_, answer):
    for _ in range(2):
        with pytest.raises(WorkerError, match="before it was asked to prepare"):
            worker.ask(request_, answer, 60)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (signal.SIGKILL, "killed by SIGKILL (out of memory?)"),
        (signal.SIGTERM, "killed by SIGTERM"),
    ],
)
def test_a_worker_that_is_killed_says_by_what(worker, number, words):
    os.kill(worker.pid, number)
    wait_until(lambda: not alive(worker.pid))

    with pytest.raises(WorkerError) as error:
        worker.ask(messages.TakeSample(), messages.Sampled, 60)

    assert str(error.value) == words


def test_a_worker_that_is_asked_nonsense_ends_with_a_code(worker):
    worker._connection.send_bytes(b"nonsense")

    with pytest.raises(WorkerError, match="exited with 1"):
        worker.ask(messages.TakeSample(), messages.Sampled, 60)


def test_a_worker_ends_when_the_session_hangs_up(worker):
    worker._connection.close()

    wait_until(lambda: not alive(worker.pid))


def test_an_ended_worker_is_buried_and_its_log_removed(environment, tmp_path):
    log = tmp_path / "worker.log"
    worker = Interpreter(environment).start(log)
    pid = worker.pid
    with pytest.raises(WorkerError):
        worker.ask(messages.TakeSample(), messages.Sampled, 60)
    assert log.exists()

    worker.end()

    assert not psutil.pid_exists(pid)
    assert not log.exists()
    worker.end()  # twice is once


# Stopping


def cpu_s(pid):
    times = psutil.Process(pid).cpu_times()
    return times.user + times.system


@pytest.fixture
def busy(tmp_path):
    """A handle of a process that never rests."""
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    child.returncode = 0  # the handle buries it
    ours, theirs = socket.socketpair()
    with theirs:
        handle = WorkerHandle(Connection(ours.detach()), child.pid, tmp_path / "log", _reaped)
        yield handle
        handle.end()


def test_a_stopped_worker_uses_no_cpu_until_it_goes_on(busy):
    wait_until(lambda: cpu_s(busy.pid) > 0.05)

    busy.stop()
    wait_until(lambda: psutil.Process(busy.pid).status() == psutil.STATUS_STOPPED)
    before = cpu_s(busy.pid)
    time.sleep(0.5)
    assert cpu_s(busy.pid) == before

    busy.go_on()
    wait_until(lambda: cpu_s(busy.pid) > before)


def test_a_stopped_worker_can_be_ended(busy):
    pid = busy.pid
    busy.stop()

    busy.end()

    assert not psutil.pid_exists(pid)


def test_a_stopped_worker_answers_when_it_is_asked(worker):
    worker.stop()

    with pytest.raises(WorkerError, match="before it was asked to prepare"):
        worker.ask(messages.TakeSample(), messages.Sampled, 60)
