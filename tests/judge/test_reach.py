"""Laws of what a diff would detect: it is what `detects` of real diffs says, in the middle."""

import math
import statistics

import numpy as np
import pytest
from factories import measured, report

from lnbench.judge.diff import compare
from lnbench.judge.drift import DRIFT_FLOOR
from lnbench.judge.noise import explain
from lnbench.judge.ranks import row_level
from lnbench.judge.reach import PASSES, ROWS, THRESHOLD, conclude, reach, session_drift
from lnbench.judge.stats import pass_logs
from lnbench.record.busy import Busy

CASES = [f"layernorm/forward/{rows}x64/float32/cpu" for rows in range(1, ROWS + 1)]
LEVEL = row_level(0.01, ROWS)


def foretold(passes, noise, session_passes=60, seed=0):
    row = measured("numpy", noise=noise, passes=session_passes, seed=seed)
    (logs,) = pass_logs([row.times_s])
    return reach(logs, passes, threshold=THRESHOLD, level=LEVEL, drift=DRIFT_FLOOR)


@pytest.mark.parametrize("passes", PASSES)
@pytest.mark.parametrize("noise", [0.005, 0.03, 0.1])
def test_it_is_what_detects_says_of_diffs_of_such_reports(passes, noise):
    """Sixteen rows of two reports each, judged by `diff` itself, with a copy that did not move."""

    def made(seed):
        rows = [measured(f"{case}/numpy", noise=noise, passes=passes, seed=seed) for case in CASES]
        return report(*rows, measured(f"{CASES[0]}/copy", noise=0.0, passes=passes))

    diffs = [compare([made(2 * k)], [made(2 * k + 1)]) for k in range(4)]
    assert {diff.rule.level for diff in diffs} <= {LEVEL, LEVEL / 2}  # groups may have half
    seen = [
        math.log(row.detectable)
        for diff in diffs
        for row in diff.comparisons
        if row.detectable is not None
    ]
    logs = [math.log(foretold(passes, noise, seed=seed)) for seed in range(9)]
    assert statistics.median(logs) == pytest.approx(statistics.median(seen), rel=0.12)


def test_more_passes_show_less_and_more_noise_shows_more():
    assert foretold(12, 0.03) > foretold(20, 0.03) > foretold(40, 0.03) > 1 + THRESHOLD
    assert foretold(12, 0.01) < foretold(12, 0.03) < foretold(12, 0.1)


def test_too_few_passes_show_nothing():
    assert foretold(6, 0.01) == math.inf  # C(12, 6) = 924 orders are too few for the level
    assert foretold(12, 0.01, session_passes=3) == math.inf


def test_a_row_without_noise_shows_what_threshold_and_drift_leave():
    one = reach(np.zeros(9), 12, threshold=0.05, level=LEVEL)
    assert one == pytest.approx(1.05)


def test_the_drift_is_that_of_the_copy_alone_and_never_below_that_of_diff():
    def session(later):
        times = [[1e-3]] * 8 + [[1e-3 * later]] * 8
        fields = {"times_s": times, "rounds": tuple((0,) for _ in times)}
        return report(
            measured(
                f"{CASES[0]}/numpy", times_s=[[1e-3]] * 8 + [[9e-3]] * 8, rounds=fields["rounds"]
            ),
            measured(f"{CASES[1]}/copy", **fields),
        )

    assert session_drift(explain(session(1.0))) == DRIFT_FLOOR
    assert session_drift(explain(session(1.10))) > math.log(1.10)
    assert session_drift(()) == DRIFT_FLOOR


def test_the_row_that_shows_least_decides():
    loud = measured(f"{CASES[0]}/numpy", noise=0.1, passes=30)
    quiet = measured(f"{CASES[1]}/numpy", noise=0.01, passes=30)
    made = conclude(report(loud, quiet, busy=Busy(cpus=2, seconds=30)))
    assert made.ratios == made.rows[0].ratios > made.rows[1].ratios
    assert made.level == LEVEL
    assert made.pass_s == 0.5  # 30 s for 60 passes of rows


def test_where_nothing_was_measured_nothing_is_concluded():
    assert conclude(report()) is None
