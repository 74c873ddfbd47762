"""The C functions under torch.cuda, on devices without silicon; they refuse what CUDA's refuse.

A function that is not here is missing in torch._C, and the AttributeError names it.
"""

import functools
import sys
from types import SimpleNamespace

import cuda_device as cuda
import torch._C
from cuda_device import error, state

MEMORY_BYTES = 140 << 30
CACHE_BYTES = 8 << 10
KIND = 1  # c10::DeviceType::CUDA


def install():
    """Put everything into torch._C, before torch.cuda is imported."""
    import torch.version

    torch.version.cuda = "13.0"
    torch._C._has_cuda = True
    for base in (_CudaStreamBase, _CudaEventBase, _CUDAGraph, _CudaDeviceProperties):
        setattr(torch._C, base.__name__, base)
    for name, function in _FUNCTIONS.items():
        setattr(torch._C, name, _noted(name, function))
    torch._C._nvtx = SimpleNamespace(
        rangePushA=lambda name: cuda.log(f"range {name}"),
        rangePop=lambda: cuda.log("range ends"),
    )
    torch._C._cudart = SimpleNamespace(
        cudaMemGetInfo=_noted("cudaMemGetInfo", _mem_get_info),
        cudaError=SimpleNamespace(success=0),
    )


def _noted(name, function):
    @functools.wraps(function)
    def noted(*args, **options):
        cuda.calls.append(name)
        cuda.log(f"call {name}")
        return function(*args, **options)

    return noted


class _CudaDeviceProperties:
    """What a device says of itself: an H200, with a cache that is quick to flush."""

    def __init__(self, index):
        self.name, self.major, self.minor = "NVIDIA H200 (rehearsed)", 9, 0
        self.uuid = f"00000000-0000-0000-0000-00000000000{index}"
        self.total_memory, self.L2_cache_size = MEMORY_BYTES, CACHE_BYTES
        self.multi_processor_count, self.warp_size = 132, 32
        self.gcnArchName = ""
        self.max_threads_per_multi_processor, self.regs_per_multiprocessor = 2048, 65536
        self.shared_memory_per_block_optin = 232448
        self.is_integrated = self.is_multi_gpu_board = 0


class _CudaStreamBase:
    """A stream: one of a device's queues."""

    def __new__(cls, priority=0, stream_id=None, device_index=0, device_type=KIND, stream_ptr=None):
        cuda.calls.append("cudaStreamCreate")
        self = super().__new__(cls)
        if stream_ptr is not None:
            raise NotImplementedError("external streams are not rehearsed")
        if stream_id is None:
            cuda.initialize()
            self._queue = state.device.queue()
        else:
            self._queue = cuda.device_of(device_index).queues[stream_id]
        self.priority = priority
        return self

    stream_id = property(lambda self: self._queue.number)
    device_index = property(lambda self: self._queue.device.index)
    device_type = property(lambda self: KIND)
    cuda_stream = property(lambda self: self._queue.number)

    @property
    def device(self):
        return torch.device("cuda", self.device_index)

    def query(self):
        cuda.refuse_in_capture("cudaStreamQuery")
        return self._queue.tail <= cuda.now()

    def synchronize(self):
        cuda.refuse_in_capture("cudaStreamSynchronize")
        cuda.leap(self._queue.tail)
        if state.fault is not None:
            raise error(state.fault)

    def __eq__(self, other):
        return self._queue is other._queue

    def __hash__(self):
        return id(self._queue)


class _CudaEventBase:
    """An event: when a queue reaches it."""

    def __new__(cls, enable_timing=False, blocking=False, interprocess=False, external=False):
        cuda.calls.append("cudaEventCreate")
        self = super().__new__(cls)
        self._timing, self._reached, self._device = enable_timing, None, None
        self._captured = False
        return self

    def record(self, stream):
        cuda.initialize()
        queue = stream._queue
        if self._device not in (None, queue.device):
            raise RuntimeError(
                f"Event device {self._device.index} does not match recording stream's device "
                f"{queue.device.index}."
            )
        self._device = queue.device
        self._captured = state.capture is not None and state.capture.queue is queue
        if not self._captured:
            self._reached = queue.add(cuda.MARK_S)

    def query(self):
        cuda.refuse_in_capture("cudaEventQuery")
        self._refuse_captured()
        return self._reached is None or self._reached <= cuda.now()

    def wait(self, stream):
        if self._reached is not None:
            stream._queue.tail = max(stream._queue.tail, self._reached)

    def synchronize(self):
        cuda.refuse_in_capture("cudaEventSynchronize")
        self._refuse_captured()
        cuda.leap(self._reached or 0.0)

    def elapsed_time(self, end):
        if not (self._timing and end._timing):
            raise ValueError("Both events must be created with argument 'enable_timing=True'.")
        if self._device is None or end._device is None:
            raise ValueError("Both events must be recorded before calculating elapsed time.")
        if not (self.query() and end.query()):
            cuda.log("error elapsed_time before completion")
            raise RuntimeError("Both events must be completed before calculating elapsed time.")
        step = 32e-9
        return round((end._reached - self._reached) / step) * step * 1e3

    def _refuse_captured(self):
        if self._captured:
            raise error("operation not permitted on an event last recorded in a capturing stream")


class _Executable:
    """An instantiated graph; to destroy it while it runs is a fault that the device reports."""

    def __init__(self, capture):
        self.nodes, self.device, self.until = capture.nodes, capture.queue.device, 0.0
        self.blocks = capture.own

    def replay(self):
        for work, seconds, used in self.nodes:
            if any(block() is None for block in used):
                raise error("an illegal memory access: a graph reads memory that was let go")
            work()
            self.until = self.device.current.add(seconds)
        cuda.log(f"replay on {self.device.index}")

    def __del__(self):
        if self.until > cuda.now():
            state.fault = "a graph was destroyed while it ran"
            cuda.log(f"error {state.fault}")


class _CUDAGraph:
    """A graph: what was launched while its stream was captured."""

    def __new__(cls, keep_graph=False):
        cuda.calls.append("_CUDAGraph")
        self = super().__new__(cls)
        self._executable = None
        return self

    def capture_begin(self, pool=None, capture_error_mode="global"):
        queue = state.device.current
        if self._executable is not None:
            raise RuntimeError("This CUDAGraph instance already owns a captured graph.")
        if queue.number == 0:
            raise RuntimeError("CUDA graphs must be captured on a non-default stream.")
        cuda.refuse_in_capture("another capture")
        state.capture = SimpleNamespace(queue=queue, nodes=[], own=set(), spoiled=False)

    def capture_end(self):
        capture, state.capture = state.capture, None
        if capture is None:
            raise error("capture_end without a capture")
        if capture.spoiled:
            raise error("operation failed due to a previous error during capture")
        if state.device.current is not capture.queue:
            raise RuntimeError("Capture must end on the same stream it began on.")
        self._executable = _Executable(capture)

    def replay(self):
        if self._executable is None:
            raise RuntimeError("Called CUDAGraph::replay without a preceding successful capture.")
        cuda.refuse_in_capture("a replay")
        self._executable.replay()

    def reset(self):
        self._executable = None

    def pool(self):
        return (0, id(self))


def _init():
    """Do what `THCPModule_initExtension` does: context, and names that torch.cuda gets only now."""
    cuda.initialize()
    module = sys.modules["torch.cuda"]
    module._get_device_properties = _noted("_get_device_properties", _CudaDeviceProperties)
    module.default_generators = tuple(torch._C.Generator() for _ in state.devices)


def _get_device_count():
    state.poisoned = True
    return 0 if state.bad_fork else cuda.COUNT


def _set_device(index):
    torch.cuda._lazy_init()
    state.index = cuda.device_of(index).index


def _exchange_device(index):
    if index < 0:
        return -1
    torch.cuda._lazy_init()
    before, state.index = state.index, cuda.device_of(index).index
    return before


def _stream_data(queue):
    return queue.number, queue.device.index, KIND


def _set_stream(stream_id, device_index, device_type):
    device = cuda.device_of(device_index)
    state.index, device.current = device.index, device.queues[stream_id]


def _sleep(cycles):
    cuda.initialize()
    if not isinstance(cycles, int):
        raise TypeError("torch.cuda._sleep(): expected 'int'")
    cuda.queue_work(state.device, lambda: None, cycles / cuda.CYCLES_A_SECOND)


def _allocator(index):
    if not state.ready or not 0 <= index < cuda.COUNT:
        raise RuntimeError(f"Invalid device argument {index}: did you call init?")
    return state.devices[index]


def _memory_stats(index):
    device = _allocator(index)
    counted = {"current": device.allocated, "peak": device.peak}
    return {name: {"all": dict(counted)} for name in ("allocated_bytes", "reserved_bytes")}


def _reset_peak(index):
    device = _allocator(index)
    device.peak = device.allocated


def _mem_get_info(index):
    cuda.initialize()
    return MEMORY_BYTES - cuda.device_of(index).allocated, MEMORY_BYTES


def _refused(name):
    def refused(*_args, **_options):
        raise NotImplementedError(f"torch._C.{name} is not rehearsed")

    return refused


_IMPORTED = ("_graph_pool_handle", "_cuda_CUDAAllocator_AllocatorState")
"""What torch imports by name, and lnbench does not reach."""

_FUNCTIONS = {name: _refused(name) for name in _IMPORTED} | {
    "_cuda_init": _init,
    "_cuda_isInBadFork": lambda: state.bad_fork,
    "_cuda_getDeviceCount": _get_device_count,
    "_cuda_getDevice": lambda: state.index,
    "_cuda_setDevice": _set_device,
    "_cuda_exchangeDevice": _exchange_device,
    "_cuda_maybeExchangeDevice": _exchange_device,
    "_cuda_getCurrentStream": lambda index: _stream_data(cuda.device_of(index).current),
    "_cuda_getDefaultStream": lambda index: _stream_data(cuda.device_of(index).queues[0]),
    "_cuda_getCurrentRawStream": lambda index: cuda.device_of(index).current.number,
    "_cuda_setStream": _set_stream,
    "_cuda_synchronize": cuda.synchronize,
    "_cuda_sleep": _sleep,
    "_cuda_isCurrentStreamCapturing": lambda: state.capture is not None,
    "_cuda_emptyCache": lambda: cuda.refuse_in_capture("cudaFree"),
    "_host_emptyCache": lambda: None,
    "_cuda_memoryStats": _memory_stats,
    "_cuda_resetPeakMemoryStats": _reset_peak,
    "_cuda_getArchFlags": lambda: "sm_80 sm_90",
}
