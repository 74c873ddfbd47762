"""Two sides of one session: how often what is no change is called one, and what is, is not."""

import math

import msgspec
import numpy as np
import pytest
from factories import benchmark, failed, measured, report, skipped
from hypothesis import given
from hypothesis import strategies as st

from lnbench.errors import ReportError
from lnbench.judge.diff import exit_code
from lnbench.judge.paired import Decided, compare_sides
from lnbench.judge.verdict import Verdict
from lnbench.plan.budget import LOOKS, looks_within
from lnbench.record.outcome import Caveat, CaveatKind
from lnbench.record.report import ReportSide

MIRROR = {
    Verdict.REGRESSED: Verdict.IMPROVED,
    Verdict.IMPROVED: Verdict.REGRESSED,
    Verdict.UNCHANGED: Verdict.UNCHANGED,
    Verdict.INCONCLUSIVE: Verdict.INCONCLUSIVE,
}
ROWS = 4


def sided(*pairs, texts=("git:a", "git:b"), looks=LOOKS):
    """Return a report of two sides; each pair holds the outcomes of one row."""
    plain = report()
    outcomes = [
        msgspec.structs.replace(outcome, side=side)
        for pair in pairs
        for outcome, side in zip(pair, ("baseline", "candidate"), strict=True)
        if outcome is not None
    ]
    sides = tuple(ReportSide(text, "", 0.0, plain.environment) for text in texts)
    return report(*outcomes, sides=sides, looks=looks)


def timed(logs, name="triton"):
    """Return a row with one sample a pass, given as logarithms."""
    return measured(name, times_s=tuple((1e-3 * math.exp(log),) for log in logs))


def noise(rng, pairs):
    """Return logarithms of both sides of a row: drift, heavy tails, outliers, order effects.

    The drift of the session is shared by both; whoever is forked first, drawn anew for each pair,
    is favoured; one process in twenty is half as slow again.
    """
    drift = np.cumsum(rng.normal(0, 0.02, pairs))
    first = rng.integers(0, 2, pairs) * 2 - 1
    sides = []
    for sign in (1, -1):
        tails = 0.02 * rng.standard_t(3, pairs)
        outliers = 0.4 * (rng.random(pairs) < 0.05)
        sides.append(drift + tails + outliers + sign * first * 0.02)
    return sides


def row_verdict(rng, change, threshold):
    """Return what a session shows of one row: it looks, and stops where it is decided."""
    decided = Decided([benchmark()], LOOKS, threshold, alpha=0.01 / ROWS)
    baseline, candidate = noise(rng, LOOKS[-1])
    candidate = candidate + math.log1p(change)
    for look in LOOKS:
        pair = timed(baseline[:look]), timed(candidate[:look])
        if decided(*pair):
            break
    found = compare_sides(sided(pair), threshold=threshold, alpha=0.01 / ROWS)
    (row,) = found.comparisons
    return row.verdict


def test_at_most_one_run_in_a_hundred_of_identical_sides_shows_a_change():
    rng = np.random.default_rng(1)
    called = [
        any(
            row_verdict(rng, 0.0, 0.0) in (Verdict.REGRESSED, Verdict.IMPROVED) for _ in range(ROWS)
        )
        for _ in range(200)
    ]
    # With threshold 0 nothing but the level guards; 6 of 200 is the 99 % point at a rate of 1 %.
    assert sum(called) <= 6


@pytest.mark.parametrize(("change", "threshold", "share"), [(0.1, 0.05, 0.95), (0.05, 0.03, 0.7)])
def test_a_planted_change_is_found(change, threshold, share):
    rng = np.random.default_rng(2)
    found = [row_verdict(rng, change, threshold) for _ in range(200)]
    assert found.count(Verdict.IMPROVED) == 0
    assert found.count(Verdict.REGRESSED) >= share * len(found)


logs = st.lists(st.floats(-1, 1), min_size=16, max_size=40)


@given(logs, logs, st.floats(0, 0.3))
def test_swapping_the_sides_swaps_every_verdict_exactly(one, other, threshold):
    there = compare_sides(sided((timed(one), timed(other))), threshold=threshold)
    back = compare_sides(sided((timed(other), timed(one))), threshold=threshold)
    (row,), (mirrored,) = there.comparisons, back.comparisons
    assert row.verdict is MIRROR[mirrored.verdict]
    assert row.detectable == mirrored.detectable
    assert row.ratio.value * mirrored.ratio.value == pytest.approx(1, rel=1e-12)


def test_drift_that_both_sides_share_hides_nothing():
    drift = np.cumsum(np.random.default_rng(0).normal(0, 0.3, 24))
    (row,) = compare_sides(sided((timed(drift), timed(drift + math.log(1.1))))).comparisons
    assert row.verdict is Verdict.REGRESSED
    assert row.ratio.value == pytest.approx(1.1)


def test_a_pass_that_one_side_lost_is_no_pair():
    whole = timed([0.0] * 20)
    lame = msgspec.structs.replace(
        timed([0.2] * 20),
        times_s=((),) * 15 + ((1e-3,),) * 5,
        rounds=((),) * 15 + ((0,),) * 5,
    )
    (row,) = compare_sides(sided((whole, lame))).comparisons
    assert row.verdict is Verdict.INCONCLUSIVE
    assert row.reason == "needs 10 pairs, has 5"


def test_the_level_is_shared_by_rows_and_looks():
    pairs = [(timed([0.0] * 16, name), timed([0.0] * 16, name)) for name in ("triton", "numpy")]
    assert compare_sides(sided(*pairs)).rule.level == pytest.approx(0.01 / 2 / len(LOOKS))


def test_two_backends_are_compared_on_the_case_that_they_share():
    texts = ("backend:numpy", "backend:triton")
    pair = (timed([0.0] * 16, "numpy"), timed([0.5] * 16, "triton"))
    found = compare_sides(sided(pair, texts=texts))
    assert [row.benchmark.backend for row in found.comparisons] == ["triton"]
    assert found.comparisons[0].verdict is Verdict.REGRESSED


def test_what_a_side_did_not_measure_is_listed():
    rows = [
        (measured("a"), failed("a")),
        (failed("b"), failed("b")),
        (measured("c"), skipped("c")),
        (failed("d"), measured("d")),
    ]
    found = compare_sides(sided(*rows))
    named = {
        "newly failing": [each.benchmark.backend for each in found.newly_failing],
        "both": [each.benchmark.backend for each in found.still_failing],
        "newly skipped": [each.benchmark.backend for each in found.newly_skipped],
        "added": [each.backend for each in found.added],
    }
    assert named == {"newly failing": ["a"], "both": ["b"], "newly skipped": ["c"], "added": ["d"]}
    assert exit_code(found) == 3


def test_a_report_of_one_side_has_no_pairs():
    with pytest.raises(ReportError, match="has no pairs"):
        compare_sides(report(measured()))


@given(st.integers(1, 200))
def test_looks_ascend_and_end_with_the_last_pass(passes):
    looks = looks_within(passes)
    assert list(looks) == sorted(set(looks))
    assert looks[-1] == passes


def test_a_side_of_a_session_says_where_it_is_from_and_how_far_it_went():
    rows = [
        (measured("numpy", passes=3), measured("numpy", passes=3, seed=1)),
        (measured("copy", passes=7), measured("copy", passes=7, seed=1)),
    ]
    diff = compare_sides(sided(*rows))
    assert [side.text for side in (diff.baseline, diff.candidate)] == ["git:a", "git:b"]
    assert {side.passes for side in (diff.baseline, diff.candidate)} == {7}
    assert diff.comparable
    assert compare_sides(sided()).baseline.passes == 0


def test_a_row_of_pairs_keeps_the_caveats_of_its_sides():
    caveat = Caveat(CaveatKind.SEQUENTIAL)
    rows = measured(caveats=(caveat,)), measured(seed=1)
    (row,) = compare_sides(sided(rows)).comparisons
    assert caveat.kind in {each.kind for each in row.caveats}
    (plain,) = compare_sides(sided((measured(), measured(seed=1)))).comparisons
    assert caveat.kind not in {each.kind for each in plain.caveats}


@pytest.mark.parametrize("factor", [3.0, 1 / 3, 1.0])
def test_few_pairs_that_all_moved_are_marked_though_nothing_is_called(factor):
    rows = measured(passes=3), measured(time_s=1e-3 * factor, passes=3, seed=1)
    (row,) = compare_sides(sided(rows)).comparisons
    assert (row.verdict, row.unproven) == (Verdict.INCONCLUSIVE, factor != 1)
