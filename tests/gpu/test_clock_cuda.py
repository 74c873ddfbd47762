"""The clock of a real CUDA device: no launch gap, a cold cache that is cold, graphs that agree."""

import pytest

torch = pytest.importorskip("torch")

from lnbench.measure.cuda_timing import EVENTS, GRAPH, CudaTimer  # noqa: E402
from lnbench.measure.sampling import kernel_count  # noqa: E402
from lnbench.measure.stream import CudaStream  # noqa: E402
from lnbench.measure.telemetry import Telemetry  # noqa: E402

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def add(elements):
    """Return a call that adds 1 to so many floats, and how many bytes it moves."""
    x = torch.zeros(elements, device="cuda")
    y = torch.empty_like(x)
    return lambda: torch.add(x, 1, out=y), 2 * x.nbytes


def seconds(timer, run, calls=50):
    return min(timer.time(run, calls) for _ in range(5)) / calls


def test_marks_cost_less_than_ten_microseconds_and_more_than_nothing():
    timer = CudaTimer(CudaStream("cuda"), cold=False)
    details = timer.details()
    assert 0 < details["clock overhead_s"] < 1e-5
    assert 0 < timer.resolution_s < 2e-5


def test_a_small_kernel_is_not_charged_for_its_launch():
    run, moved = add(1 << 10)
    timer = CudaTimer(CudaStream("cuda"), cold=False)
    by_events = seconds(timer, run)
    turn = timer.settle(run, lambda count: [], moved, "")
    assert timer.clock == GRAPH
    assert seconds(timer, turn) <= 1.2 * by_events
    assert timer.details()["launch_s"] > 0


def test_a_large_kernel_is_timed_by_events_near_the_bandwidth():
    run, moved = add(1 << 26)
    timer = CudaTimer(CudaStream("cuda"), cold=False)
    timer.settle(run, lambda count: [], moved, "")
    assert timer.clock == EVENTS
    assert 1e11 < moved / seconds(timer, run, 10) < 1e13


def test_a_cold_call_is_slower_than_a_hot_one_on_a_set_that_fits_the_cache():
    run, _ = add(1 << 21)  # 16 MiB
    hot, cold = (CudaTimer(CudaStream("cuda"), cold=cold) for cold in (False, True))
    assert seconds(cold, run, 20) > 1.1 * seconds(hot, run, 20)


def test_inputs_in_turn_are_as_cold_as_a_flush():
    run, moved = add(1 << 19)  # 4 MiB: a few microseconds
    kept = []

    def copies(count):
        kept.extend(add(1 << 19)[0] for _ in range(count))
        return kept

    flushed = seconds(CudaTimer(CudaStream("cuda"), cold=True), run, 20)
    timer = CudaTimer(CudaStream("cuda"), cold=True)
    turn = timer.settle(run, copies, moved, GRAPH)
    assert timer.clock == GRAPH
    # Events around one short kernel cost a few microseconds, so only a bound from below is one.
    hot_timer = CudaTimer(CudaStream("cuda"), cold=False)
    hot = seconds(hot_timer, hot_timer.settle(run, copies, moved, GRAPH))
    assert hot < seconds(timer, turn, 200) <= 1.2 * flushed


def test_the_kernels_of_a_call_are_counted():
    run, _ = add(1 << 20)
    assert kernel_count(run, "cuda:0") == 1
    assert kernel_count(lambda: (run(), run()), "cuda:0") == 2


def test_the_device_tells_its_clocks():
    pytest.importorskip("pynvml")
    reading = Telemetry.of("cuda").read()
    if reading is None:
        pytest.skip("NVML does not answer here")
    assert 100 < reading.sm_mhz < 5000
    assert 10 < reading.celsius < 110
    assert 10 < reading.watts < 2000
