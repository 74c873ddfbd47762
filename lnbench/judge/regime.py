"""What bounds a row, from measured numbers: times are compared only within one regime.

Each limit is a constant with its reason. A row that none of them describes is bound by its own
arithmetic, or by how it waits for memory, and is given no name.
"""

from collections.abc import Mapping
from enum import StrEnum

from lnbench.judge.stats import Estimate
from lnbench.plan.case import Cache, Direction
from lnbench.record.environment import Device, Environment
from lnbench.record.outcome import Measured

PAGE_BYTES = 4096
"""What one page fault brings at least; a huge page brings more, and then faults are few."""

FAULTED_SHARE = 0.5
"""Share of the output from which on faults decide: each costs more than filling its page."""

BANDWIDTH_SHARE = 0.6
"""Share of the copy's bandwidth from which on memory decides: above it a kernel that computed
twice as fast would gain less than the half that is left."""

CALL_S, CALL_SHARE = 1e-4, 0.1
"""A CPU row is its calls' overhead where it takes less than a hundred microseconds (a call of
NumPy or torch has parts that cost 0.5 to 50) and moves less than a tenth of what `copy` would."""

CPU_CACHE_BYTES = 32 * 2**20
"""Last-level cache where the report knows none: that of a large desktop."""

DEVICE_CACHE_BYTES = 256 * 2**20
"""Above the last-level cache of any accelerator of 2026; taken where the report knows none."""


class Regime(StrEnum):
    """What bounds a row."""

    PAGE_FAULTS = "page-fault-bound"
    """Most of the output is memory fresh from the kernel: the allocator is measured."""
    CALLS = "call-overhead-bound"
    """The work is small beside what calling it costs."""
    LAUNCHES = "launch-bound"
    """The host takes longer to launch the kernels than the device to run them."""
    LATENCY = "latency-bound"
    """Fewer rows than multiprocessors: most of the device waits."""
    CACHE = "cache-resident"
    """The operands stay in the last-level cache from call to call."""
    BANDWIDTH = "bandwidth-bound"
    """Near the speed of a copy: only fewer bytes would be faster."""

    @property
    def advice(self) -> str:
        """What a user can do about it; empty where nothing needs to be done."""
        return _ADVICE.get(self, "")


_ADVICE: Mapping[Regime, str] = {
    Regime.PAGE_FAULTS: (
        "each call pays for memory fresh from the kernel: write into ready buffers "
        "(--outputs ready), or keep freed memory and huge pages with "
        "GLIBC_TUNABLES=glibc.malloc.hugetlb=1 and, for torch, THP_MEM_ALLOC_ENABLE=1"
    ),
    Regime.CALLS: (
        "the call costs more than its computation: make fewer calls with more rows each"
    ),
    Regime.LAUNCHES: (
        "the host launches more slowly than the device computes: capture a CUDA graph, or fuse"
    ),
}


def regime(
    row: Measured, time_s: float, share: Estimate | None, environment: Environment
) -> Regime | None:
    """Return what bounds a row; None where no limit is reached.

    Args:
        row: what was measured.
        time_s: the centre of its times.
        share: its bandwidth ÷ that of the copy, where both were measured.
        environment: the machine of the report.
    """
    case = row.benchmark.case
    speed = 0.0 if share is None else share.value
    if case.device_type == "cpu":
        if _page_faults_decide(row):
            return Regime.PAGE_FAULTS
        if share is not None and time_s < CALL_S and speed < CALL_SHARE:
            return Regime.CALLS
    else:
        device = dict(environment.devices).get(case.device)
        if row.launch_s is not None and row.launch_s > time_s:
            return Regime.LAUNCHES
        processors = (device and device.processors) or 0
        if case.rows < processors and speed < BANDWIDTH_SHARE:
            return Regime.LATENCY
    if case.options.cache is Cache.HOT and 0 < row.work.bytes_moved <= cache_bytes(
        row, environment
    ):
        return Regime.CACHE
    return Regime.BANDWIDTH if speed >= BANDWIDTH_SHARE else None


def memory_level(row: Measured, environment: Environment) -> str:
    """Return where a row's operands are between calls: `cpu cache`, `cpu memory`, `cuda memory`.

    Rows of one level feel what disturbs a machine alike.
    """
    case = row.benchmark.case
    cached = case.options.cache is Cache.HOT and row.work.bytes_moved <= cache_bytes(
        row, environment
    )
    return f"{case.device_type} {'cache' if cached else 'memory'}"


def cache_bytes(row: Measured, environment: Environment) -> int:
    """Return the size of the last-level cache of the device that a row was measured on."""
    case = row.benchmark.case
    if case.device_type == "cpu":
        return environment.cpu.last_level_cache_bytes or CPU_CACHE_BYTES
    device: Device | None = dict(environment.devices).get(case.device)
    return (device and device.cache_bytes) or DEVICE_CACHE_BYTES


def _page_faults_decide(row: Measured) -> bool:
    case = row.benchmark.case
    results = 2 if case.direction is Direction.STEP else 1
    output_bytes = results * case.rows * case.columns * case.dtype.itemsize
    faults = row.page_faults or 0.0
    # Below a page a call, faults are those of the interpreter around it.
    return faults >= 1 and faults * PAGE_BYTES >= FAULTED_SHARE * output_bytes
