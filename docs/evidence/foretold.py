"""Whether `lnbench doctor` foretells what `detects` of real diffs says.

    python docs/evidence/foretold.py REPORT

REPORT is of one long session on a quiet machine, such as that of

    lnbench run --operation layernorm --direction forward --shape 2048x1024,1x64 --device cpu
        -b torch-eager --passes 120 --precision 0.01% --time 100s --max-time 60s -o REPORT

The first 36 passes of a row, which is what `doctor` has, foretell; every two stretches of passes
that follow each other are two reports, judged by the same intervals and the same formula.
"""

import sys
from pathlib import Path

import numpy as np

from lnbench.judge.drift import DRIFT_FLOOR
from lnbench.judge.ranks import row_level
from lnbench.judge.reach import PASSES, ROWS, THRESHOLD, reach
from lnbench.judge.stats import detectable, pass_logs, shift_intervals
from lnbench.record import report
from lnbench.record.outcome import Measured

FIRST, STEP = 36, 4


def main() -> None:
    """Print, for each row and number of passes, what is foretold and what is seen."""
    level = row_level(0.01, ROWS)
    for row in report.read(Path(sys.argv[1])).outcomes:
        if not isinstance(row, Measured):
            continue
        (logs,) = pass_logs([row.times_s])
        for passes in PASSES:
            rule = {"threshold": THRESHOLD, "level": level, "drift": DRIFT_FLOOR}
            foretold = reach(logs[:FIRST], passes, **rule)
            starts = range(0, logs.size - 2 * passes + 1, STEP)
            lines = shift_intervals(
                [logs[start : start + passes] for start in starts],
                [logs[start + passes : start + 2 * passes] for start in starts],
                level,
            )
            seen = sorted(detectable((high - low) / 2, **rule) for _, low, high in lines.tolist())
            quartiles = " ".join(f"{value:.3f}" for value in np.percentile(seen, (25, 50, 75)))
            print(f"{row.benchmark.id} {passes} passes: {foretold:.3f}, seen {quartiles}")


if __name__ == "__main__":
    main()
