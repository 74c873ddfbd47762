"""What a report lacks to be a baseline."""

import pytest
from factories import benchmark, failed, measured, report, skipped

from lnbench.judge.diff import compare
from lnbench.judge.fitness import passes_needed, shortfall
from lnbench.judge.verdict import Verdict
from lnbench.record.outcome import Stopped

SHAPES = tuple(f"layernorm/forward/{rows}x64/float32/cpu" for rows in (8, 16, 32, 64))
NEEDED = passes_needed(benchmark(f"{case}/numpy") for case in SHAPES)


def suite(*passes, **fields):
    """Return a report with one row of each case and its copy, of so many passes each."""
    counted = list(zip(SHAPES, passes, strict=True))
    rows = [measured(f"{case}/numpy", passes=count, **fields) for case, count in counted]
    copies = [measured(f"{case}/copy", passes=count) for case, count in counted]
    return report(*rows, *copies)


def test_a_report_with_the_passes_that_a_diff_needs_lacks_nothing():
    assert shortfall(suite(*[NEEDED] * 4)) is None
    assert shortfall(suite(*[NEEDED - 1] * 4)).rows == 4


@pytest.mark.parametrize("lack", [0, 1])
def test_a_fit_report_is_judged_and_one_pass_less_is_not(lack):
    passes = [NEEDED - lack] * 4
    found = compare([suite(*passes)], [suite(*passes, time_s=3e-3)])
    verdict = Verdict.INCONCLUSIVE if lack else Verdict.REGRESSED
    assert {row.verdict for row in found.comparisons} == {verdict, None}


def test_it_says_how_many_rows_lack_how_many_passes():
    lack = shortfall(suite(NEEDED, NEEDED - 1, NEEDED + 3, 2))
    assert (lack.rows, lack.of_rows, lack.passes) == (2, 4, NEEDED - 2)
    assert lack.needed == lack.cap == NEEDED


def test_the_copy_is_no_row_that_needs_passes():
    rows = [measured(f"{case}/copy", passes=1) for case in SHAPES]
    assert shortfall(report(*rows)) is None
    names = [f"{SHAPES[0]}/numpy", f"{SHAPES[0]}/copy"]
    assert passes_needed(map(benchmark, names)) == passes_needed([benchmark(names[0])])


def test_rows_that_failed_or_were_skipped_do_not_count():
    case, *others = SHAPES
    lost = [failed(f"{others[0]}/numpy"), skipped(f"{others[1]}/numpy")]
    alone = passes_needed([benchmark(f"{case}/numpy")])
    assert alone < NEEDED
    made = report(measured(f"{case}/numpy", passes=alone), *lost)
    assert shortfall(made, [outcome.benchmark for outcome in lost]) is None


def test_a_row_that_had_no_turn_lacks_every_pass():
    made = suite(*[NEEDED + 1] * 4)
    lack = shortfall(made, [benchmark(f"{SHAPES[0]}/torch-eager")])
    assert (lack.rows, lack.of_rows, lack.passes) == (1, 5, lack.needed)


def test_lost_passes_do_not_count_and_the_cap_makes_room_for_them():
    times = (*[(1e-3,)] * (NEEDED - 1), (), ())
    row = measured(f"{SHAPES[0]}/numpy", times_s=times)
    made = suite(*[NEEDED] * 4)
    lack = shortfall(report(row, *made.outcomes[1:]))
    assert (lack.rows, lack.passes, lack.cap) == (1, 1, NEEDED + 2)


def test_the_seconds_are_those_that_passes_took_where_that_is_known():
    made = suite(NEEDED, NEEDED, NEEDED, NEEDED - 3)
    assert shortfall(made, pass_s=7.0).seconds == pytest.approx(2 * 3 * 7.0)


def test_else_the_seconds_come_from_times_and_iterations():
    passes = (NEEDED, NEEDED, NEEDED, NEEDED - 1)
    usual, longer = (
        shortfall(suite(*passes, times_s=None, time_s=0.01, noise=0, iterations=count)).seconds
        for count in (1, 101)
    )
    assert longer - usual == pytest.approx(100 * 10 * 0.01)


def test_where_time_stopped_a_row_it_says_what_time_it_needs():
    made = suite(*[2] * 4, time_s=0.5, noise=0, stopped=Stopped.TIME)
    assert shortfall(made).time_s == pytest.approx(NEEDED * 10 * 0.5)
    assert shortfall(suite(*[2] * 4)).time_s == 0


def test_a_comparison_is_no_baseline():
    from lnbench.record.report import ReportSide

    made = suite(*[1] * 4)
    side = ReportSide("git:main", "", 0.0, made.environment)
    assert shortfall(report(sides=(side, side))) is None


def test_each_row_lacks_its_own_passes_and_not_the_usual_ones():
    def lacking(short, long):
        rows = [
            measured(f"{case}/numpy", time_s=time_s, noise=0, passes=count)
            for case, time_s, count in zip(
                SHAPES, (0.01, 1.0, 1.0, 1.0), (short, long, NEEDED, NEEDED), strict=True
            )
        ]
        return shortfall(report(*rows)).seconds

    # A pass is ten samples: of 0.01 s here, of 1 s there.
    assert lacking(NEEDED, NEEDED - 1) - lacking(NEEDED - 1, NEEDED) == pytest.approx(10 * 0.99)
