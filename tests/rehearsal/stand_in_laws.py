"""What the stand-in refuses, as CUDA does; `test_rehearsal.py` runs this in a process of its own.

A law that a rehearsal would not notice to be broken is one that it does not rehearse.
"""

import os

import pytest
import torch
from cuda_device import state

from lnbench import registry
from lnbench.measure.routine import make_routine
from lnbench.measure.stream import CudaStream
from lnbench.plan.case import Case, Direction, DType


@pytest.fixture(autouse=True)
def _whole():
    torch.cuda.init()
    yield
    state.fault = None
    state.capture = None


@pytest.fixture
def x():
    return torch.ones(8, 64, device="cuda:0")


def test_a_device_without_a_number_cannot_be_set():
    with pytest.raises(ValueError, match="index"):
        torch.cuda.set_device("cuda")


def test_a_case_of_cuda_runs_on_the_first_device():
    case = Case("layernorm", Direction.FORWARD, (8, 64), DType.FLOAT32, "cuda")
    operation = registry.operation(case.operation)
    given = (registry.backend("torch-eager"), operation, case, operation.inputs(case, 0), 1)
    assert make_routine(*given).run()[0].device == torch.device("cuda:0")


def test_a_number_beyond_the_devices_is_refused():
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.cuda.set_device(2)
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.empty(3, device="cuda:2")


def test_a_child_of_a_process_that_asked_cuda_cannot_use_it():
    pid = os.fork()
    if pid == 0:
        try:
            torch.cuda.synchronize()
        except RuntimeError as error:
            os._exit(7 if "Cannot re-initialize CUDA in forked subprocess" in str(error) else 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_a_time_that_is_not_yet_there_cannot_be_read(x):
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda._sleep(2_000_000_000)
    start.record()
    x + 1
    end.record()
    assert not end.query()
    with pytest.raises(RuntimeError, match="must be completed"):
        start.elapsed_time(end)
    torch.cuda.synchronize()
    assert start.elapsed_time(end) == pytest.approx(0.02, rel=0.1)


def test_an_event_without_a_time_or_a_record_has_none():
    plain, timed = torch.cuda.Event(), torch.cuda.Event(enable_timing=True)
    with pytest.raises(ValueError, match="enable_timing"):
        plain.elapsed_time(timed)
    with pytest.raises(ValueError, match="recorded"):
        timed.elapsed_time(timed)


def test_an_event_of_another_device_is_not_recorded():
    event = torch.cuda.Event(enable_timing=True)
    event.record(torch.cuda.current_stream("cuda:0"))
    with pytest.raises(RuntimeError, match="does not match"):
        event.record(torch.cuda.current_stream("cuda:1"))


@pytest.mark.parametrize(
    "act",
    [
        lambda _: torch.cuda.synchronize(),
        lambda x: x.cpu(),
        lambda x: x.sum().item(),
        lambda x: x.copy_(torch.zeros(8, 64)),
        lambda _: torch.cuda.Event().query(),
    ],
    ids=["synchronize", "to the host", "a value", "from the host", "query"],
)
def test_what_waits_cannot_be_captured_and_spoils_the_capture(x, act):
    before, graph = torch.cuda.current_stream(), torch.cuda.CUDAGraph()
    with (
        pytest.raises(RuntimeError, match="previous error during capture"),
        torch.cuda.graph(graph),
        pytest.raises(RuntimeError, match="not permitted when stream is capturing"),
    ):
        act(x)
    torch.cuda.set_stream(before)
    with pytest.raises(RuntimeError, match="without a preceding successful capture"):
        graph.replay()


def test_a_captured_kernel_computes_when_it_is_replayed(x):
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        y = x + 1
        x.mul_(3)
    assert y.cpu().isnan().all()
    assert (x.cpu() == 1).all()
    graph.replay()
    graph.replay()
    assert (y.cpu() == 4).all()
    assert (x.cpu() == 9).all()


def test_a_graph_that_is_let_go_while_it_runs_is_a_fault(x):
    stream = CudaStream("cuda:0")
    torch.cuda._sleep(2_000_000_000)
    stream.capture(lambda: x + 1, 3)()
    with pytest.raises(RuntimeError, match="destroyed while it ran"):
        stream.synchronize()


def test_a_graph_that_is_held_until_its_end_is_none(x):
    stream = CudaStream("cuda:0")
    replay = stream.capture(lambda: x + 1, 3)
    replay()
    stream.synchronize()
    del replay
    stream.synchronize()


def test_a_graph_whose_input_is_gone_reads_no_memory():
    x, graph = torch.ones(4, device="cuda:0"), torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        x + 1
    del x
    with pytest.raises(RuntimeError, match="illegal memory access"):
        graph.replay()


def test_tensors_of_two_devices_do_not_meet(x):
    for other in (torch.ones(8, 64), torch.ones(8, 64, device="cuda:1")):
        with pytest.raises(RuntimeError, match="same device"):
            x + other
    assert (x + torch.tensor(2.0)).device == x.device


def test_a_tensor_of_a_device_is_no_array(x):
    with pytest.raises(TypeError, match=r"Use Tensor\.cpu"):
        x.numpy()


def test_operators_write_where_they_are_told(x):
    y = torch.empty_like(x)
    assert torch.add(x, 1, out=y) is y
    assert y.mul_(2) is y
    y.view(-1)[:2].fill_(0)
    assert y.cpu().sum() == 4 * (8 * 64 - 2)


def test_new_memory_holds_nothing_to_rely_on():
    assert torch.empty(5, device="cuda").cpu().isnan().all()


def test_memory_is_counted_as_long_as_it_is_held(x):
    before = torch.cuda.memory_allocated(0)
    torch.cuda.reset_peak_memory_stats(0)
    y = (x + 1).view(-1)
    assert torch.cuda.memory_allocated(0) == before + 8 * 64 * 4
    del y
    assert torch.cuda.memory_allocated(0) == before
    assert torch.cuda.max_memory_allocated(0) == before + 8 * 64 * 4


@pytest.mark.parametrize("device", ["cuda:0", "cuda:1"])
def test_autograd_stays_on_its_device(device):
    x = torch.ones(4, device=device, requires_grad=True)
    (found,) = torch.autograd.grad((x * x).sum(), [x])
    assert found.device == torch.device(device)
    assert (found.cpu() == 2).all()


def test_triton_reads_no_memory_of_the_host_or_of_another_device():
    from lnbench.operations.rowwise.triton import backward as triton_backward

    def launch(device):
        parts, dw = torch.ones(4, 2, 8, device=device), torch.empty(8, device=device)
        args = (parts[:, 0], None, dw, None, 4, 8, 16, 128, 16, False)
        triton_backward.sum_parts[(1, 1)](*args, num_warps=4)
        return dw

    assert (launch("cuda:0").cpu() == 4).all()
    with pytest.raises(RuntimeError, match="illegal memory access"):
        launch("cuda:1")
    with pytest.raises(ValueError, match="cannot be accessed from Triton"):
        launch("cpu")


def test_what_is_not_rehearsed_says_so():
    with pytest.raises(NotImplementedError, match="_graph_pool_handle"):
        torch.cuda.graph_pool_handle()
    with pytest.raises(AttributeError, match="_cuda_setMemoryFraction"):
        torch.cuda.set_per_process_memory_fraction(0.5, 0)
