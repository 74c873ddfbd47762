"""What `lnbench cluster` costs its driver, and how often a verdict by node is wrong.

    python docs/evidence/many_machines.py verdicts [--sessions 200]
    python docs/evidence/many_machines.py scale [--nodes 200] [--rows 150]

`verdicts` invents `cluster ab` over 4 to 64 nodes: four rows of 12 pairs on each, noise with heavy
tails, and a ratio of its own for every row of every node, as silicon and memory have it. It counts
sessions with any regressed or improved row where there is no change, and rows that are called
where one is planted: with the node as the unit, and with the passes of all nodes as one sample.

`scale` has simulated nodes answer with reports of 40 passes, each six times while it grows, and
says what the driver takes: seconds, memory, and what it shows.
"""

import argparse
import math
import resource
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

from cluster.simulated import Simulated
from factories import environment, measured, report

from lnbench.cluster.driver import Driver, Errand
from lnbench.cluster.folder import Folder
from lnbench.cluster.view import counts, live_sheet, summary_view
from lnbench.judge.diff import Diff
from lnbench.judge.nodes import compare_nodes
from lnbench.judge.paired import compare_sides
from lnbench.judge.verdict import Verdict
from lnbench.record import report as reports
from lnbench.record.environment import Cpu
from lnbench.record.report import ComparisonReport, ReportSide
from lnbench.render.sheet import View
from lnbench.render.table import view_table

NODES = (4, 8, 12, 16, 32, 64)
SPREADS = (0.0, 0.02, 0.05)
PLANTED = 0.1
ROWS, PAIRS, NOISE = 4, 12, 0.02
NAMES = [f"layernorm/forward/{2**i}x64/float32/cpu/triton" for i in range(ROWS)]
SIDES = tuple(ReportSide(text, "", 0.0, environment()) for text in ("git:a", "git:b"))
CHANGED = (Verdict.REGRESSED, Verdict.IMPROVED)
GROWTH = 6


def main() -> None:
    """Simulate, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kind", choices=("verdicts", "scale"))
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--nodes", type=int, default=200)
    parser.add_argument("--rows", type=int, default=150)
    arguments = parser.parse_args()
    if arguments.kind == "scale":
        scale(arguments.nodes, arguments.rows)
        return
    rng = np.random.default_rng(19)
    print("node effects  nodes   no change: by node, pooled   +10%: by node, pooled")
    for spread in SPREADS:
        for nodes in NODES:
            null = [invented(rng, nodes, spread, 0.0) for _ in range(arguments.sessions)]
            slow = [invented(rng, nodes, spread, PLANTED) for _ in range(arguments.sessions // 4)]
            wolf = [sum(any(called(judge(one))) for one in null) for judge in (by_node, pooled)]
            seen = [sum(sum(called(judge(one))) for one in slow) for judge in (by_node, pooled)]
            rows = len(slow) * ROWS
            print(
                f"{spread:>11.0%} {nodes:>7} {wolf[0]:>12} and {wolf[1]} of {len(null)}"
                f" {seen[0]:>12} and {seen[1]} of {rows} rows",
                flush=True,
            )


def invented(
    rng: np.random.Generator, nodes: int, spread: float, planted: float
) -> list[ComparisonReport]:
    """Return a report a node."""
    made = []
    for _ in range(nodes):
        outcomes = []
        for name in NAMES:
            shift = math.log1p(planted) + rng.normal(0, spread)
            for side, log in (("baseline", 0.0), ("candidate", shift)):
                logs = log + NOISE / 2 * rng.standard_t(3, PAIRS)
                times = tuple((1e-3 * math.exp(each),) for each in logs)
                outcomes.append(measured(name, times_s=times, side=side))
        made.append(report(*outcomes, sides=SIDES, looks=(PAIRS,)))
    return made


def by_node(nodes: Sequence[ComparisonReport]) -> Diff:
    """Judge as `lnbench cluster ab` does; by a threshold of 1 %: any real change."""
    return compare_nodes(nodes, threshold=0.01).diff


def pooled(nodes: Sequence[ComparisonReport]) -> Diff:
    """Judge the passes of all nodes as if one machine had taken them."""
    rows = []
    for alike in zip(*(node.outcomes for node in nodes), strict=True):
        times = tuple(times for row in alike for times in row.times_s)
        rounds = tuple(rounds for row in alike for rounds in row.rounds)
        rows.append(msgspec.structs.replace(alike[0], times_s=times, rounds=rounds))
    return compare_sides(msgspec.structs.replace(nodes[0], outcomes=tuple(rows)), threshold=0.01)


def called(diff: Diff) -> list[bool]:
    """Return which rows are said to have changed."""
    return [row.verdict in CHANGED for row in diff.comparisons]


def scale(nodes: int, rows: int) -> None:
    """Drive simulated nodes, four of five kinds, and say what that took."""
    cpus = [Cpu(f"Chip {number}", "x86_64", 2, 2, 2**25) for number in range(5)]
    machines = {
        f"{number:08x}": environment(machine_id=f"{number:08x}", cpu=cpus[number % 5])
        for number in range(nodes)
    }
    machines["00000003"] = None
    names = [f"layernorm/forward/{8 * (i + 1)}x64/float32/cpu/triton" for i in range(rows)]
    data = {cpu.model: _encoded(names, cpu) for cpu in cpus}
    size = len(next(iter(data.values())))
    packed = {model: zlib.compress(text, 1) for model, text in data.items()}
    sent = dict.fromkeys(machines, 0)
    connection = Simulated(machines, lambda *_: {})
    connection._news = _growing(machines, packed, sent)  # noqa: SLF001  (a node that takes long)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    console = Console(file=sys.stderr, width=100, height=40, record=True)
    with tempfile.TemporaryDirectory() as folder:
        started, frames, worst_s = time.monotonic(), 0, 0.0
        driver = Driver(
            connection, Folder(Path(folder) / "f", resume=False), Errand((), {}, {}), shard=False
        )
        for _ in driver.run():
            drawn = time.monotonic()
            view_table(View((), (live_sheet(driver.standings.values(), 30),), None))
            frames, worst_s = frames + 1, max(worst_s, time.monotonic() - drawn)
        taken_s = time.monotonic() - started
        disk = sum(path.stat().st_size for path in (Path(folder) / "f").iterdir())
    summary_view(driver.standings.values())
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    console.print(view_table(View((), (live_sheet(driver.standings.values(), 6),), None)))
    print(counts(driver.standings.values()))
    print(f"report {size / 1e6:.2f} MB, packed {len(packed['Chip 0']) / 1e6:.2f} MB")
    print(f"driver {taken_s:.1f} s, {taken_s / nodes * 1e3:.0f} ms a node, {frames} frames")
    print(f"memory {before / 1e3:.0f} to {after / 1e3:.0f} MB, on disk {disk / 1e6:.0f} MB")


def _encoded(names: Sequence[str], cpu: Cpu) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.json"
        rows = [measured(name, passes=40, seed=i) for i, name in enumerate(names)]
        reports.write(report(*rows, environment=environment(cpu=cpu)), path)
        return path.read_bytes()


def _growing(machines: Any, packed: dict[str, bytes], sent: dict[str, int]) -> Callable[..., Any]:
    """Return what answers for nodes: six copies of a report each, then the end."""

    def news(node: Any, _: float) -> dict[str, Any]:
        sent[node.id] += 1
        code = 0 if sent[node.id] == GROWTH else None
        words = f"pass {sent[node.id]} · {20 * sent[node.id]} of 150 rows done · about 9 min left"
        data = packed[machines[node.id].cpu.model]
        return {"words": words, "code": code, "error": "", "report": data}

    return news


if __name__ == "__main__":
    main()
