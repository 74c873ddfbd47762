"""Whole CUDA sessions without a device: real session, nursery and workers over a stand-in.

Rehearsed: all of lnbench, and of torch.cuda, autograd and Triton what is Python, from the command
to the report, with forks, contexts, streams, events, graphs, memory and counters that refuse what
CUDA's refuse (`stand_in_laws.py`). Not rehearsed: what a kernel costs and whether it is right on
silicon, what inductor generates, Liger's and Quack's own kernels, CUPTI's count of kernels; tests
marked `gpu` are for those. Without g++, or with a torch that is built for GPUs, all of it skips and
says so: the stand-in takes the place of torch's C functions, and its guard is compiled for torch.
`undo.py` shows what fails where a mend is undone.
"""

import subprocess
import sys

import pytest

from lnbench.workers.variables import variables

CASE = ("--shape", "8x64", "--dtype", "float32", "--device")
CONTEXT_S = 0.8


@pytest.fixture(scope="module")
def session(rehearse):
    """Hot in all directions, but for a step of torch; cold by a graph of turns, and by events."""
    kept = ("torch-compile", "liger", "triton", "*ward/*/torch-eager")
    kept += ("forward/*/triton;*", "step/*/torch-eager;*")
    return rehearse(
        *("run", "--fast", *CASE, "cuda", "--passes", "1", "--time", "100", "-o", "report.json"),
        *("-b", "torch-eager,torch-compile,triton,liger", "--cache", "hot,cold"),
        *("--direction", "forward,backward,step"),
        *(word for each in kept for word in ("--filter", f"*/{each}")),
    )


@pytest.fixture(scope="module")
def second(rehearse):
    """Two passes on the second device, whose context alone takes longer than a row may."""
    return rehearse(
        *("run", "--fast", *CASE, "cuda:1", "--passes", "2", "--time", "0.7", "-o", "report.json"),
        *("-b", "torch-eager,triton,same-buffer", "--direction", "forward"),
        code=3,  # a row has failed, as it must
        LNBENCH_REHEARSAL_CONTEXT_S=str(CONTEXT_S),
    )


def named(rows, backend):
    return [row for row in rows if row["backend"] == backend]


def test_every_row_of_a_session_on_cuda_is_measured(session):
    assert len(session.rows) == 2 * 5 + 4 + 2 * 2  # the copy comes along
    assert [row for row in session.rows if row["kind"] != "measured"] == []


def test_workers_on_cuda_are_forked_from_a_nursery(session):
    caveats = {caveat["kind"] for row in session.rows for caveat in row["caveats"]}
    assert "spawned" not in caveats


def test_every_row_on_cuda_says_that_its_process_served_the_pass(session):
    assert {row["details"].get("process") for row in session.rows} == {"serves all cases of a pass"}


def test_rows_on_cuda_are_timed_by_the_device(session):
    assert {row["details"]["clock"] for row in session.rows} == {"cuda events", "cuda graph"}
    assert not any(row["details"].get("launch gaps") for row in session.rows)


def test_all_rows_of_a_case_have_one_clock(session):
    clocks = {}
    for row in session.rows:
        case = (row["direction"], row["options"]["cache"])
        clocks.setdefault(case, set()).add(row["details"]["clock"])
    assert {len(each) for each in clocks.values()} == {1}


def test_a_session_on_cuda_makes_no_error_of_cuda(session):
    assert session.errors == []


def test_triton_launches_what_it_compiled_for_the_device(session):
    loaded = {line.split()[1] for line in session.lines if line.startswith("load")}
    assert {"forward_rows", "backward_tiles"} <= loaded


def test_a_row_does_not_pay_for_context_and_compilation(second):
    rows = named(second.rows, "torch-eager") + named(second.rows, "triton")
    assert [(len(row["times_s"]), row["stopped"]) for row in rows] == [(2, "passes")] * 2


def test_a_session_on_the_second_device_leaves_the_first_alone(second):
    work = {line for line in second.lines if line.startswith(("kernel", "replay", "load"))}
    assert {line.rpartition(" on ")[2] for line in work} == {"1"}
    assert second.errors == []


@pytest.mark.parametrize(("name", "mhz"), [("session", 1980), ("second", 1755)])
def test_the_counters_of_a_row_are_those_of_its_device(name, mhz, request):
    rows = [row for row in request.getfixturevalue(name).rows if row["kind"] == "measured"]
    assert {row["details"]["sm clock MHz"] for row in rows} == {mhz}


def test_sessions_on_two_devices_of_one_name_are_not_compared(session, second, rehearse):
    told = rehearse("diff", session.report, second.report, code=5)
    assert "cuda device" in told.text


def test_a_plugin_that_hands_back_the_same_memory_on_cuda_fails(second):
    rows = named(second.rows, "same-buffer")
    assert {row["kind"] for row in rows} == {"failed"}
    assert all("shares memory" in row["error"] for row in rows)


def test_check_passes_on_cuda(rehearse):
    checked = rehearse("check", *CASE, "cuda", "-b", "torch-eager,triton", "--direction", "forward")
    assert checked.errors == []


def test_a_comparison_on_cuda_comes_to_a_verdict(rehearse):
    sides = ("backend:torch-eager", "backend:torch-eager+10%")
    compared = rehearse("ab", *sides, *CASE, "cuda", "--direction", "forward", "--passes", "1")
    assert compared.errors == []
    assert "1 inconclusive" in compared.text  # of one pass


def test_energy_on_cuda_is_that_of_the_calls_by_the_device_s_counter(rehearse):
    flags = ("--direction", "forward", "-b", "torch-eager", "--passes", "2", "--energy")
    told = rehearse("run", "--fast", *CASE, "cuda", *flags, "-o", "report.json")
    assert told.errors == []
    assert {len(row["energy_j"]) for row in told.rows} == {3}
    assert all(joules > 0 for row in told.rows for joules in row["energy_j"])
    assert " energy " in told.text


def test_the_marked_call_on_cuda_is_made_for_a_profiler_outside(rehearse):
    told = rehearse("profile", "layernorm/forward/8x64/float32/cuda/triton", "--tool", "none")
    assert told.errors == []
    assert {"range lnbench", "range ends"} <= told.lines


PRELOAD = """
from pathlib import Path
import torch
import cuda_device
from lnbench import registry
from lnbench.workers import nursery
assert torch.version.cuda
print(nursery.preload(list(registry.backend_names()), list(registry.operation_names())))
print(sorted(set(cuda_device.calls)))
print(len(list(Path("/proc/self/task").iterdir())))
"""


def test_no_preload_asks_cuda_or_starts_a_thread(stand_in, tmp_path):
    done = subprocess.run(
        [sys.executable, "-P", "-c", PRELOAD],
        env=variables(1, (0,), tmp_path) | stand_in,
        capture_output=True,
        text=True,
        check=True,
    )
    broken, calls, threads = done.stdout.splitlines()[-3:]
    assert (calls, threads) == ("[]", "1")
    assert "torch" not in broken


def test_the_stand_in_keeps_its_laws(stand_in, tmp_path):
    laws = f"{__file__.rpartition('/')[0]}/stand_in_laws.py"
    done = subprocess.run(
        [sys.executable, "-P", "-m", "pytest", "-q", "-p", "no:cacheprovider", laws],
        env=stand_in,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stdout)
    failed = [line for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert (failed, done.returncode) == ([], 0)
