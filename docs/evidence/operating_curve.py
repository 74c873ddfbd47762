"""How often `lnbench ab` calls what is none, and finds what is planted: real sessions, recorded.

    python docs/evidence/operating_curve.py FOLDER [NAME=RUNS ...] [flags of lnbench ab]

Each NAME below is a pair of sides of suite `ci`; every session is kept as FOLDER/NAME-00.json … and
measured only where it is missing. `pythons` takes two venvs from LNBENCH_VENVS=PATH,PATH.
Nothing else may run on the machine meanwhile.
"""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from lnbench.judge.paired import compare_sides
from lnbench.judge.verdict import Verdict
from lnbench.record import report

EAGER = "backend:torch-eager"
VENVS = os.environ.get("LNBENCH_VENVS", ",").split(",")

SESSIONS: dict[str, tuple[tuple[str, str], tuple[str, ...], float]] = {
    "null": ((EAGER, EAGER), ("--threads", "1"), 0.05),
    "null2": ((EAGER, EAGER), ("--threads", "2"), 0.05),
    "plus10": ((EAGER, f"{EAGER}+10%"), ("--threads", "1"), 0.05),
    "plus5": ((EAGER, f"{EAGER}+5%"), ("--threads", "1", "--threshold", "3%"), 0.03),
    "pythons": ((f"python:{VENVS[0]}", f"python:{VENVS[-1]}"), ("--threads", "1"), 0.05),
}


def main() -> None:
    """Measure what is missing, then judge."""
    folder, words = Path(sys.argv[1]), sys.argv[2:]
    folder.mkdir(parents=True, exist_ok=True)
    asked = {name: int(runs) for name, _, runs in (word.partition("=") for word in words) if runs}
    flags = [word for word in words if word.partition("=")[0] not in asked]
    for name in asked or SESSIONS:
        sides, options, threshold = SESSIONS[name]
        seconds = []
        for number in range(asked.get(name, 0)):
            path = folder / f"{name}-{number:02}.json"
            if not path.exists():
                start = time.monotonic()
                seed = ("--seed", str(number), "-o", str(path), "--quiet")
                command = [sys.executable, "-m", "lnbench", "ab", *sides, "ci", *options, *seed]
                done = subprocess.run([*command, *flags], check=False)
                if done.returncode not in (0, 1):
                    sys.exit(f"{name}: lnbench ab ended with {done.returncode}")
                seconds.append(time.monotonic() - start)
        show(name, sorted(folder.glob(f"{name}-*.json")), threshold, seconds)


def show(name: str, paths: list[Path], threshold: float, seconds: list[float]) -> None:
    """Print what the sessions of one pair of sides show."""
    diffs = [compare_sides(report.read(path), threshold=threshold) for path in paths]
    if not diffs:
        return
    rows = [row for diff in diffs for row in diff.comparisons]
    changed = (Verdict.REGRESSED, Verdict.IMPROVED)
    called = sum(any(row.verdict in changed for row in diff.comparisons) for diff in diffs)
    counts = {str(verdict): sum(row.verdict is verdict for row in rows) for verdict in Verdict}
    print(f"{name}: {called} of {len(diffs)} sessions show a change; {len(rows)} rows: {counts}")
    reach = [row.detectable for row in rows if row.detectable is not None]
    ratios = [row.ratio.value for row in rows]
    print(
        f"  ratio median {statistics.median(ratios):.3f}, {min(ratios):.3f} to {max(ratios):.3f};"
        f" detectable median {statistics.median(reach):.3f}, worst {max(reach):.3f}"
    )
    if seconds:
        each = statistics.median(seconds)
        rows_each = len(rows) / len(diffs)
        print(f"  {each:.0f} s a session (median), {each / rows_each:.1f} s a row")


if __name__ == "__main__":
    main()
