"""What a clock asks of a CUDA stream: marks, a block, a flush, a captured graph."""

import itertools
import math
from collections.abc import Callable
from typing import Any, Protocol

_FLUSH_FACTOR = 2  # a write of twice the cache leaves nothing of what was there
_CYCLES_A_SECOND = 2e9  # of a block; a slower clock blocks for longer, which does no harm


class Stream(Protocol):
    """Work queued on a device, which runs in order; tests have one with a clock of their own."""

    cache_bytes: int
    """Size of the device's last-level cache."""

    def mark(self) -> Any:
        """Queue a mark that notes when it is reached."""

    def seconds(self, start: Any, end: Any) -> float:
        """Return the seconds between two marks that were reached."""

    def reached(self, mark: Any) -> bool:
        """Return whether a mark was reached, without waiting for it."""

    def block(self, seconds: float) -> None:
        """Queue what keeps all that is queued behind it from starting for about so long."""

    def flush(self) -> None:
        """Queue a write that leaves nothing in the cache but itself."""

    def synchronize(self) -> None:
        """Wait until all that was queued is done."""

    def capture(self, call: Callable[[], object], times: int) -> Callable[[], object]:
        """Return what queues that many calls as one graph; raises where they cannot be captured."""


class CudaStream:
    """torch's current stream of a device."""

    def __init__(self, device: str) -> None:
        import torch

        self._torch = torch
        self._device = torch.device(device)
        self.cache_bytes = int(torch.cuda.get_device_properties(self._device).L2_cache_size)
        self._written: Any = None

    def mark(self) -> Any:
        """Queue an event that records its time."""
        event = self._torch.cuda.Event(enable_timing=True)
        event.record(self._torch.cuda.current_stream(self._device))
        return event

    def seconds(self, start: Any, end: Any) -> float:
        """Return the seconds between two events."""
        return float(start.elapsed_time(end)) * 1e-3

    def reached(self, mark: Any) -> bool:
        """Return whether an event has been recorded."""
        return bool(mark.query())

    def block(self, seconds: float) -> None:
        """Queue a kernel of one thread that spins (as nvbench does with its blocking kernel)."""
        with self._torch.cuda.device(self._device):
            self._torch.cuda._sleep(math.ceil(seconds * _CYCLES_A_SECOND))  # noqa: SLF001

    def flush(self) -> None:
        """Queue a write of twice the device's L2."""
        if self._written is None:
            size = _FLUSH_FACTOR * self.cache_bytes
            self._written = self._torch.empty(size, dtype=self._torch.int8, device=self._device)
        self._written.zero_()

    def synchronize(self) -> None:
        """Wait until the device has done all that it was asked."""
        self._torch.cuda.synchronize(self._device)

    def capture(self, call: Callable[[], object], times: int) -> Callable[[], object]:
        """Return the replay of a CUDA graph of that many calls."""
        cuda, graph = self._torch.cuda, self._torch.cuda.CUDAGraph()
        before = cuda.current_stream(self._device)
        try:
            with cuda.device(self._device), cuda.graph(graph):
                for _ in itertools.repeat(None, times):
                    call()
        finally:  # a capture that fails leaves torch on the stream that it captured
            cuda.set_stream(before)
        replay: Callable[[], object] = graph.replay
        return replay
