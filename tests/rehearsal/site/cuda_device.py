"""Two devices without silicon: contexts, streams with a clock, memory that is counted, a log.

What is launched is computed at once, on the CPU; when it would have ended is what the clock says.
Waiting costs no time: the device's clock leaps ahead where the host would wait. Else it goes with
the host's, but slowly: a launch takes the stand-in much longer than it takes CUDA.
"""

import os
import time
import weakref

import torch._C

COUNT = 2
KERNEL_S = 2e-5
MARK_S = 1e-7
HOST_SLOWDOWN = 100
BYTES_A_SECOND = 4e12
CYCLES_A_SECOND = 2e9
CONTEXT = "LNBENCH_REHEARSAL_CONTEXT_S"
LOG = "LNBENCH_REHEARSAL_LOG"

calls: list[str] = []
"""The C functions of torch.cuda that this process has called."""

_logged: set[tuple[int, str]] = set()


def log(line):
    """Write what happened, once a process, for the tests to read."""
    path, key = os.environ.get(LOG), (os.getpid(), line)
    if path and key not in _logged:
        _logged.add(key)
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{key[0]} {line}\n")


def error(text):
    """Return what a C function of CUDA raises, and write it into the log."""
    log(f"error {text}")
    return torch._C.AcceleratorError(f"CUDA error: {text}")


class Queue:
    """One stream: work runs in order, each piece after what was there before."""

    def __init__(self, device, number):
        self.device, self.number = device, number
        self.tail = 0.0

    def add(self, seconds):
        """Queue work of so many seconds; return when it will have ended."""
        self.tail = max(now(), self.tail) + seconds
        return self.tail


class Device:
    """One GPU of this process."""

    def __init__(self, index):
        self.index = index
        self.queues = [Queue(self, 0)]
        self.current = self.queues[0]
        self.allocated = self.peak = 0

    def queue(self):
        """Return a new stream."""
        self.queues.append(Queue(self, len(self.queues)))
        return self.queues[-1]

    def wait(self):
        """Wait until all is done."""
        leap(max(queue.tail for queue in self.queues))


class Block:
    """Memory of a device, counted as long as a tensor holds it."""

    def __init__(self, device, size):
        self.device, self.size = device, size
        device.allocated += size
        device.peak = max(device.peak, device.allocated)
        capture = state.capture
        if capture is not None:
            capture.own.add(self)

    def __del__(self):
        self.device.allocated -= self.size


class State:
    """What CUDA knows of this process."""

    def __init__(self):
        self.poisoned = self.bad_fork = self.ready = False
        self.devices = [Device(index) for index in range(COUNT)]
        self.index = 0
        self.skew = 0.0
        self.capture = None
        self.fault = None

    @property
    def device(self):
        return self.devices[self.index]


state = State()


def _forked():
    state.bad_fork = state.bad_fork or state.poisoned
    _logged.clear()


os.register_at_fork(after_in_child=_forked)


def now():
    """Return the device's time."""
    return time.perf_counter() / HOST_SLOWDOWN + state.skew


def leap(until):
    """Let the device's time be at least that."""
    state.skew += max(0.0, until - now())


def device_of(index):
    """Return a device by its index, or raise as CUDA does."""
    if not 0 <= index < COUNT:
        raise error("invalid device ordinal")
    return state.devices[index]


def initialize():
    """Make the context that CUDA makes for a process when it is first asked for work."""
    if state.bad_fork:
        raise error("initialization error")
    state.poisoned = True
    if not state.ready:
        time.sleep(float(os.environ.get(CONTEXT, "0")))
        state.ready = True


def refuse_in_capture(what):
    """Raise, and spoil the capture, where one is under way that does not allow something."""
    if state.capture is not None:
        state.capture.spoiled = True
        raise error(f"operation not permitted when stream is capturing: {what}")


def synchronize(device=None):
    """Wait for a device; what went wrong on it meanwhile is raised here, as by CUDA."""
    refuse_in_capture("synchronize")
    (device or state.device).wait()
    if state.fault is not None:
        raise error(state.fault)


def launch(device, work, moved, keep=()):
    """Queue a kernel in the device's current stream, or let the capture of that stream have it.

    Args:
        device: where it runs.
        work: computes; called by each replay, the caller has computed what is not captured.
        moved: bytes, which say how long it takes.
        keep: blocks of memory that it uses.
    """
    if not state.ready:
        raise error("no context: launched before torch.cuda was initialized")
    seconds = KERNEL_S + moved / BYTES_A_SECOND
    queue_work(device, work, seconds, keep)
    log(f"kernel on {device.index}")


def queue_work(device, work, seconds, keep=()):
    """Queue work of so many seconds in the device's current stream."""
    capture = state.capture
    if capture is None:
        device.current.add(seconds)
    elif device.current is not capture.queue:
        capture.spoiled = True
        raise error("operation not permitted when stream is capturing: work in another stream")
    else:
        used = [weakref.ref(block) for block in keep if block not in capture.own]
        capture.nodes.append((work, seconds, used))
