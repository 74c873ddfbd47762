"""How often `lnbench ab` calls what is none, and finds what is planted: real sessions, recorded.

    python docs/evidence/operating_curve.py FOLDER [NAME=RUNS ...] [flags of lnbench ab]
    python docs/evidence/operating_curve.py --curve

Each NAME below is a pair of sides of suite `ci`; every session is kept as FOLDER/NAME-00.json … and
measured only where it is missing. `pythons` takes two venvs from LNBENCH_VENVS=PATH,PATH.
All pairs of all sessions in FOLDER are written to pairs.json beside this file. `--curve` draws
sessions from the null pairs there, plants changes in them, and prints how many are called.
Nothing else may run on the machine meanwhile.
"""

import json
import math
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lnbench.judge.paired import compare_sides, pair_rule
from lnbench.judge.stats import location_intervals, paired_logs
from lnbench.judge.verdict import LogInterval, Rule, Verdict, judge
from lnbench.plan.budget import LOOKS
from lnbench.record import report
from lnbench.record.outcome import Measured

EAGER = "backend:torch-eager"
VENVS = os.environ.get("LNBENCH_VENVS", ",").split(",")
PAIRS = Path(__file__).with_name("pairs.json")
ROWS = 4

SESSIONS: dict[str, tuple[tuple[str, str], tuple[str, ...], float]] = {
    "null": ((EAGER, EAGER), ("--threads", "1"), 0.05),
    "null2": ((EAGER, EAGER), ("--threads", "2"), 0.05),
    "plus10": ((EAGER, f"{EAGER}+10%"), ("--threads", "1"), 0.05),
    "plus5": ((EAGER, f"{EAGER}+5%"), ("--threads", "1", "--threshold", "3%"), 0.03),
    "pythons": ((f"python:{VENVS[0]}", f"python:{VENVS[-1]}"), ("--threads", "1"), 0.05),
}
"""The sides, their options and the threshold of each."""


def main() -> None:
    """Measure what is missing, then judge."""
    if sys.argv[1:] == ["--curve"]:
        curve()
        return
    folder, words = Path(sys.argv[1]), sys.argv[2:]
    folder.mkdir(parents=True, exist_ok=True)
    asked = {name: int(runs) for name, _, runs in (word.partition("=") for word in words) if runs}
    flags = [word for word in words if word.partition("=")[0] not in asked]
    for name in asked or SESSIONS:
        for number in range(asked.get(name, 0)):
            measure(folder, name, number, flags)
        show(name, sorted(folder.glob(f"{name}-*.json")))
    PAIRS.write_text(recorded(folder), encoding="utf-8")


def measure(folder: Path, name: str, number: int, flags: list[str]) -> None:
    """Run one session, unless its report is there already, and note the seconds it took."""
    path, noted = folder / f"{name}-{number:02}.json", folder / "seconds.json"
    if path.exists():
        return
    sides, options, _ = SESSIONS[name]
    start = time.monotonic()
    last = ("--seed", str(number), "-o", str(path), "--quiet", *flags)
    command = [sys.executable, "-m", "lnbench", "ab", *sides, "ci", *options, *last]
    done = subprocess.run(command, check=False)
    if done.returncode not in (0, 1):
        sys.exit(f"{name}: lnbench ab ended with {done.returncode}")
    seconds = json.loads(noted.read_text()) if noted.exists() else {}
    seconds[path.stem] = round(time.monotonic() - start, 1)
    noted.write_text(json.dumps(seconds))


def show(name: str, paths: list[Path]) -> None:
    """Print what the sessions of one pair of sides show."""
    threshold = SESSIONS[name][2]
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
    noted = paths[0].with_name("seconds.json")
    seconds = json.loads(noted.read_text()) if noted.exists() else {}
    taken = [seconds[path.stem] for path in paths if path.stem in seconds]
    if taken:
        each = statistics.median(taken)
        print(f"  {each:.0f} s a session, {each / ROWS:.1f} s a row (medians of {len(taken)})")


def recorded(folder: Path) -> str:
    """Return the logarithm of candidate ÷ baseline of every pair, by session and row, as JSON."""
    sessions = {}
    for path in sorted(folder.glob("*-*.json")):
        rows: dict[str, list[Measured]] = {}
        for outcome in report.read(path).outcomes:
            if not isinstance(outcome, Measured):
                sys.exit(f"{path}: {outcome.benchmark.id} was not measured")
            rows.setdefault(outcome.benchmark.case.id, []).append(outcome)
        sessions[path.stem] = {
            case: [round(log, 6) for log in paired_logs(candidate, baseline).tolist()]
            for case, (baseline, candidate) in rows.items()
        }
    # A line a session, so that git shows which came.
    lines = (f" {json.dumps(name)}: {json.dumps(rows)}" for name, rows in sessions.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def curve() -> None:
    """Print how often changes are called, in sessions drawn from the recorded null pairs."""
    print("change  threshold 5%: rows regressed  threshold 3%")
    for change in (0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.10, 0.12, 0.15):
        shares = []
        for threshold in (0.05, 0.03):
            found = list(resampled(change, threshold, sessions=100))
            shares.append(found.count(Verdict.REGRESSED) / len(found))
        print(f"{change:6.0%}  {shares[0]:28.1%}  {shares[1]:12.1%}")


def resampled(
    change: float, threshold: float, *, sessions: int, seed: int = 0
) -> Iterator[Verdict]:
    """Yield the verdicts of rows whose pairs are drawn from the recorded null pairs.

    Each row of a session draws from its own pairs, with replacement; which side is the baseline
    is drawn too, since the sides are identical. The change is then planted in the candidate.
    """
    rng = random.Random(seed)  # noqa: S311  (an order, not a secret)
    rule = pair_rule(ROWS, LOOKS, threshold, 0.01)
    pools = null_pools()
    for _ in range(sessions):
        for pool in pools.values():
            logs = [rng.choice((-1, 1)) * rng.choice(pool) for _ in range(LOOKS[-1])]
            planted = [log + math.log1p(change) for log in logs]
            for look in LOOKS:
                verdict = verdict_of(planted[:look], rule)
                if verdict is not Verdict.INCONCLUSIVE:
                    break
            yield verdict


def verdict_of(logs: list[float], rule: Rule) -> Verdict:
    """Return what pairs show, given as the logarithms of candidate ÷ baseline."""
    value, low, high = location_intervals([np.array(logs)], rule.level)[0].tolist()
    return judge(LogInterval(value, low, high, (len(logs), len(logs))), rule)[0]


def null_pools() -> dict[str, list[float]]:
    """Return the recorded pairs of identical sides with one thread, by row."""
    pools: dict[str, list[float]] = {}
    for name, rows in json.loads(PAIRS.read_text(encoding="utf-8")).items():
        if name.startswith("null-"):
            for case, logs in rows.items():
                pools.setdefault(case, []).extend(logs)
    return pools


if __name__ == "__main__":
    main()
