"""How many pairs `lnbench ab` takes a minute, and which share of its seconds are timed calls.

    python docs/evidence/time_shares.py FOLDER [--seconds 30] [--backends …] [--suites …]

For each backend two sessions on suite `ci` and two on the eight rows of `isovolume` whose rows are
1024 columns or longer (8 Mi elements each): against itself, and against itself slowed by 10 %.
Writes FOLDER/BACKEND-SUITE-PLANTED.json and a line of FOLDER/shares.jsonl for each; seconds are
those of the whole command, its start included. Nothing else may run on the machine meanwhile.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from lnbench.judge.paired import compare_sides
from lnbench.record import report
from lnbench.record.outcome import Measured

SUITES = {
    "ci": ["ci"],
    "large": ["isovolume", "--shape", "8192x1024,2048x4096,512x16384,128x65536"],
}
BACKENDS = ["torch-eager", "numpy", "numba", "onnxruntime", "torch-compile"]


def main() -> None:
    """Measure where reports are missing, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--backends", nargs="+", default=BACKENDS)
    parser.add_argument("--suites", nargs="+", default=list(SUITES))
    parser.add_argument("--planted", nargs="+", default=["", "+10%"])
    arguments, flags = parser.parse_known_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    for backend in arguments.backends:
        for suite in arguments.suites:
            for planted in arguments.planted:
                path = arguments.folder / f"{backend}-{suite}-{planted or 'null'}.json"
                if path.exists():
                    continue
                limit = ["--max-time", str(arguments.seconds), *flags]
                seconds = measure(path, backend, planted, [*SUITES[suite], *limit])
                line = {"backend": backend, "suite": suite, "planted": planted or "null"}
                line |= shares(path, seconds)
                with (arguments.folder / "shares.jsonl").open("a") as file:
                    file.write(json.dumps(line) + "\n")
                print(" ".join(f"{name}={value}" for name, value in line.items()), flush=True)


def measure(path: Path, backend: str, planted: str, words: list[str]) -> float:
    """Compare a backend with itself; return the seconds that the command took."""
    sides = [f"backend:{backend}", f"backend:{backend}{planted}"]
    command = [sys.executable, "-m", "lnbench", "ab", *sides, *words, "-o", str(path), "--quiet"]
    start = time.monotonic()
    done = subprocess.run(command, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} exited with {done.returncode}")
    return time.monotonic() - start


def shares(path: Path, seconds: float) -> dict[str, Any]:
    """Return the pairs a minute of a session, its share of timed seconds, and its verdicts."""
    kept = report.read(path)
    rows = [outcome for outcome in kept.outcomes if isinstance(outcome, Measured)]
    pairs = sum(len(row.times_s) for row in rows) / 2
    timed_s = sum(row.iterations * sum(map(sum, row.times_s)) for row in rows)
    verdicts = Counter(str(row.verdict) for row in compare_sides(kept).comparisons)
    return {
        "rows": len(rows) // 2,
        "pairs": round(pairs),
        "seconds": round(seconds, 1),
        "pairs_a_minute": round(60 * pairs / seconds, 1),
        "timed_s": round(timed_s, 2),
        "timed_share": round(timed_s / seconds, 4),
        "verdicts": dict(verdicts),
    }


if __name__ == "__main__":
    main()
