"""Whether rows of two threads are as steady as rows of one, and whether waiting workers are idle.

    python docs/evidence/steadiness.py

For one and two threads, prints for each row the quartiles of the process medians around their
median, and the CPU time that workers used while they waited.
"""

import itertools
import statistics
import sys
import tempfile
from pathlib import Path

from lnbench.plan.budget import Budget
from lnbench.plan.case import Benchmark, Case, Direction, DType
from lnbench.record.machine import usable_cpus
from lnbench.record.outcome import Measured
from lnbench.session import session
from lnbench.session.block import Setting
from lnbench.session.group import Planned
from lnbench.session.stopping import RowStopping
from lnbench.workers import handle
from lnbench.workers.launcher import Interpreter
from lnbench.workers.variables import variables

_TICKS = 100  # USER_HZ
waited: list[tuple[float, float]] = []


def watch() -> None:
    """Note each worker's CPU time when it is stopped and when it goes on."""
    stop, go_on = handle.WorkerHandle.stop, handle.WorkerHandle.go_on
    used: dict[int, float] = {}

    def watched_stop(self: handle.WorkerHandle) -> None:
        stop(self)
        used[self.pid] = cpu_s(self.pid)

    def watched_go_on(self: handle.WorkerHandle) -> None:
        if self.pid in used:
            waited.append((used.pop(self.pid), cpu_s(self.pid)))
        go_on(self)

    handle.WorkerHandle.stop = watched_stop  # type: ignore[method-assign]
    handle.WorkerHandle.go_on = watched_go_on  # type: ignore[method-assign]


def cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def main() -> None:
    """Measure and print."""
    passes = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    watch()
    rows = [
        Benchmark(Case("layernorm", direction, shape, DType.FLOAT32, "cpu"), backend)
        for shape in ((256, 1024), (2048, 2048))
        for direction in (Direction.FORWARD, Direction.BACKWARD)
        for backend in ("torch-eager", "numpy", "copy")
    ]
    for threads in (1, 2):
        waited.clear()
        with tempfile.TemporaryDirectory() as cache:
            environment = variables(threads, usable_cpus(), Path(cache))
            budget = Budget(passes=passes, time_s=1e9)
            setting = Setting(budget=budget, seed=threads, threads=threads)
            groups = [
                tuple(map(Planned, group))
                for _, group in itertools.groupby(rows, key=lambda row: row.case)
            ]
            stopping = RowStopping(lambda *_: False, budget)
            *_, last = session.run(groups, {"": Interpreter(environment)}, setting, stopping)
        print(f"{threads} thread(s): quartiles of {passes} process medians around their median")
        for outcome in last.outcomes:
            assert isinstance(outcome, Measured), outcome  # noqa: S101
            medians = [statistics.median(times) for times in outcome.times_s]
            low, middle, high = statistics.quantiles(medians, n=4)
            spread = f"{low / middle - 1:+.1%} {high / middle - 1:+.1%}"
            print(f"  {outcome.benchmark.id:58} {middle * 1e6:9.1f} µs  {spread}")
        idle = sum(after - before for before, after in waited)
        print(f"  CPU time of {len(waited)} waits: {idle:.2f} s")


if __name__ == "__main__":
    main()
