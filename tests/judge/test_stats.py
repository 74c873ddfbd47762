"""Estimates against scipy, and the laws that no table shows."""

import math
import statistics

import numpy as np
import pytest
from factories import measured
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from lnbench.judge import ranks, stats
from lnbench.judge.stats import Estimate, time_estimate

# Multiples of 1/64: sums, halves and shifts of them are exact, so laws can ask for equality.
EXACT = st.integers(-(10**6), 10**6).map(lambda number: number / 64)
SAMPLES = st.lists(EXACT, min_size=1, max_size=12)
LEVELS = (0.2, 0.05, 0.01, 1e-3, 1e-4)


def location(values, confidence):
    """The location of one row."""
    return Estimate(
        *stats.location_intervals([np.asarray(values, float)], 1 - confidence)[0], confidence
    )


def shift(before, after, confidence):
    """The shift of one row."""
    sides = ([np.asarray(side, float)] for side in (before, after))
    return Estimate(*stats.shift_intervals(*sides, 1 - confidence)[0], confidence)


def ratio(above, below, **options):
    """The ratio of two backends."""
    logs = stats.paired_logs(above, below, **options)
    return stats.estimates(stats.location_intervals([logs], 0.05), 0.95)[0]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("count", [5, 8, 12, 20])
def test_the_interval_of_a_location_inverts_the_signed_rank_test(count, level):
    values = np.random.default_rng(count).laplace(size=count)
    first, second = np.triu_indices(count)
    averages = np.sort((values[first] + values[second]) / 2)
    found = location(values, 1 - level)
    assert found.value == pytest.approx(np.median(averages))
    if math.isinf(found.low):
        assert scipy_stats.wilcoxon(values - averages[0] + 1, method="exact").pvalue > level
        return
    _assert_inverts(
        averages, found, level, lambda at: scipy_stats.wilcoxon(values - at, method="exact").pvalue
    )


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("counts", [(3, 9), (5, 5), (10, 10), (12, 7)])
def test_the_interval_of_a_shift_inverts_the_mann_whitney_test(counts, level):
    rng = np.random.default_rng(counts)
    before, after = (rng.laplace(size=count) for count in counts)
    differences = np.sort(np.subtract.outer(after, before).ravel())

    def p_value(at):
        return scipy_stats.mannwhitneyu(after - at, before, method="exact").pvalue

    found = shift(before, after, 1 - level)
    assert found.value == pytest.approx(np.median(differences))
    if math.isinf(found.low):
        assert p_value(differences[0] - 1) > level
        return
    _assert_inverts(differences, found, level, p_value)


def _assert_inverts(ordered, found, level, p_value):
    """Between neighbours p is constant: it is above the level inside, and not outside."""
    low, high = np.searchsorted(ordered, [found.low, found.high])
    assert ordered[low] == found.low
    assert ordered[high] == found.high
    padded = np.concatenate([[ordered[0] - 1], ordered, [ordered[-1] + 1]])
    middles = (padded[:-1] + padded[1:]) / 2  # middles[i] lies just below ordered[i]
    assert p_value(middles[low]) <= level < p_value(middles[low + 1])
    assert p_value(middles[high + 1]) <= level < p_value(middles[high])


@given(SAMPLES, SAMPLES, st.sampled_from(LEVELS))
def test_swapping_the_sides_negates_a_shift_exactly(before, after, level):
    there, back = shift(before, after, 1 - level), shift(after, before, 1 - level)
    assert (there.value, there.low, there.high) == (-back.value, -back.high, -back.low)


@given(SAMPLES, st.sampled_from(LEVELS))
def test_a_mirrored_sample_has_the_mirrored_location(values, level):
    there, back = location(values, 1 - level), location([-v for v in values], 1 - level)
    assert (there.value, there.low, there.high) == (-back.value, -back.high, -back.low)


@given(SAMPLES, EXACT)
def test_a_location_moves_with_its_values(values, step):
    there, moved = location(values, 0.9), location([v + step for v in values], 0.9)
    assert (moved.value, moved.low, moved.high) == (
        there.value + step,
        there.low + step,
        there.high + step,
    )


@given(SAMPLES, SAMPLES, st.sampled_from(LEVELS))
def test_an_interval_holds_its_estimate(before, after, level):
    for found in (location(before, 1 - level), shift(before, after, 1 - level)):
        assert found.low <= found.value <= found.high


@given(SAMPLES, SAMPLES, st.randoms())
def test_the_order_of_the_values_does_not_matter(before, after, random):
    mixed = [random.sample(side, len(side)) for side in (before, after)]
    assert shift(*mixed, 0.9) == shift(before, after, 0.9)
    assert location(mixed[0], 0.9) == location(before, 0.9)


@given(st.floats(1e-9, 10), st.floats(0.01, 100))
def test_a_time_scales_with_its_samples(time_s, factor):
    times = measured(time_s=time_s, noise=0.1).times_s
    scaled = tuple(tuple(factor * time for time in row) for row in times)
    one, other = time_estimate(times), time_estimate(scaled)
    assert other.value == pytest.approx(factor * one.value)
    assert other.low == pytest.approx(factor * one.low)
    assert other.high == pytest.approx(factor * one.high)


@pytest.mark.parametrize("count", [6, 10, 15])
def test_an_interval_holds_the_truth_as_often_as_it_says(count):
    rng = np.random.default_rng(1)
    repeats = 4000
    samples = list(rng.standard_t(2, size=(2 * repeats, count)))  # heavy tails, centred on 0
    for level in (0.1, 0.05):
        for found in (
            stats.location_intervals(samples[:repeats], level),
            stats.shift_intervals(samples[:repeats], samples[repeats:], level),
        ):
            covered = np.mean((found[:, 1] <= 0) & (found[:, 2] >= 0))
            assert covered >= 1 - level - 2.5 * math.sqrt(level / repeats)


def test_rows_judged_together_are_judged_as_if_alone(monkeypatch):
    rng = np.random.default_rng(2)
    before = [rng.normal(size=count) for count in (3, 12, 7, 12, 12, 3)]
    after = [rng.normal(size=count) for count in (12, 12, 7, 12, 5, 12)]
    monkeypatch.setattr(stats, "_CELLS", 200)  # one row a chunk
    for level in LEVELS:
        shifts, locations = (
            stats.shift_intervals(before, after, level),
            stats.location_intervals(before, level),
        )
        for i, (one, other) in enumerate(zip(before, after, strict=True)):
            assert tuple(shifts[i]) == _ends(shift(one, other, 1 - level))
            assert tuple(locations[i]) == _ends(location(one, 1 - level))


def _ends(estimate):
    return estimate.value, estimate.low, estimate.high


@pytest.mark.parametrize("level", [0.05, 0.01, 1e-3, 1e-5, 1e-7])
def test_beyond_the_exact_counts_an_interval_is_never_too_narrow(level, monkeypatch):
    sizes = [(1, 61), (2, 61), (5, 100), (12, 61), (61, 61), (3, 150)]
    rough = [ranks.rank_sum_cut(*size, level) for size in sizes], ranks.signed_rank_cut(80, level)
    monkeypatch.setattr(ranks, "EXACT_UP_TO", 200)
    _forget()
    exact = [ranks.rank_sum_cut(*size, level) for size in sizes], ranks.signed_rank_cut(80, level)
    _forget()
    assert all(one <= other for one, other in zip(rough[0], exact[0], strict=True))
    assert 0.8 * exact[1] <= rough[1] <= exact[1]


def _forget():
    ranks.rank_sum_cut.cache_clear()
    ranks.signed_rank_cut.cache_clear()


@pytest.mark.parametrize(("rows", "pairs"), [(5, 10), (20, 12), (163, 15)])
def test_the_pairs_that_a_number_of_rows_needs(rows, pairs):
    assert ranks.smallest_units(ranks.row_level(0.01, rows), paired=True) == pairs


def test_ten_units_a_side_serve_900_rows():
    assert ranks.smallest_units(ranks.row_level(0.01, 900)) == 10
    assert ranks.smallest_units(ranks.row_level(0.01, 900, looks=2)) == 11


@given(st.floats(1e-9, 0.5))
def test_the_smallest_number_of_units_is_enough_and_one_less_is_not(level):
    pairs, side = ranks.smallest_units(level, paired=True), ranks.smallest_units(level)
    assert ranks.signed_rank_cut(pairs, level) > 0
    assert ranks.rank_sum_cut(side, side, level) > 0
    assert ranks.signed_rank_cut(pairs - 1, level) == 0
    assert ranks.rank_sum_cut(side - 1, side - 1, level) == 0


def test_too_few_values_have_no_interval():
    assert _ends(location([1.0, 2.0, 3.0], 0.95)) == (2.0, -math.inf, math.inf)
    assert _ends(time_estimate(((1.0,), (1.0,)))) == (1.0, 0.0, math.inf)
    with pytest.raises(ValueError, match="at least one"):
        location([], 0.95)


def test_samples_of_one_process_are_not_counted_as_if_independent():
    times = tuple((1.0,) * 1000 for _ in range(5))
    assert math.isinf(time_estimate(times).high)
    assert time_estimate((*times, (1.0,))).high == 1.0


def test_a_lost_pass_is_left_out_and_passes_may_differ_in_length():
    whole = ((1.0, 90.0, 2.0), (), (2.0, 2.0), (2.0,))
    assert time_estimate(whole).value == pytest.approx(2.0)
    assert [row.size for row in stats.pass_logs([whole, ((), (5.0,))])] == [3, 1]
    assert stats.pass_logs([]) == []


def test_a_time_of_nothing_has_a_logarithm():
    assert time_estimate(((0.0,), (1e300,))).value > 0


def test_ratios_are_paired_by_round():
    # The machine doubles its speed within the pass: round by round the ratio is 2 all along.
    slow = measured("triton", times_s=[(8.0, 2.0)] * 6, rounds=((0, 2),) * 6)
    fast = measured("numpy", times_s=[(1.0, 9.0, 4.0)] * 6, rounds=((2, 1, 0),) * 6)
    assert _ends(ratio(slow, fast)) == pytest.approx((2.0, 2.0, 2.0))
    assert _ends(ratio(fast, slow)) == pytest.approx((0.5, 0.5, 0.5))
    assert ratio(slow, fast, by_round=False).value == pytest.approx(5 / 4)


def test_passes_that_one_backend_lost_are_not_paired():
    one = measured("triton", times_s=[(2.0,), (), (4.0,)])
    other = measured("numpy", times_s=[(1.0,), (1.0,), ()])
    assert stats.paired_logs(one, other).tolist() == pytest.approx([math.log(2)])
    assert stats.paired_logs(one, other, by_round=False).tolist() == pytest.approx([math.log(2)])
    assert not stats.paired_logs(one, measured("numpy", times_s=[(), (1.0,), ()])).size


def test_what_is_detectable_is_called_in_80_of_100_repeats():
    rng = np.random.default_rng(3)
    count, noise, level, repeats = 12, 0.02, 0.002, 2000
    before, after = rng.normal(0, noise, (2, repeats, count))
    quiet = stats.shift_intervals(list(before), list(after), level)
    halves = (quiet[:, 2] - quiet[:, 1]) / 2
    for threshold in (0.005, 0.05):
        reach = statistics.median(
            stats.detectable(half, threshold, level) for half in halves.tolist()
        )
        found = quiet + math.log(reach)
        called = (found[:, 1] > 0) & (found[:, 0] > math.log1p(threshold))
        # The interval of 12 units is wider than the normal one, hence a little more than 80 %.
        assert 0.75 <= np.mean(called) <= 0.93


def test_drift_and_noise_raise_what_is_detectable():
    plain = stats.detectable(0.05, 0.05, 0.001)
    assert stats.detectable(0.05, 0.05, 0.001, drift=0.1) > plain
    assert stats.detectable(0.08, 0.05, 0.001) > plain
    assert stats.detectable(0.0, 0.05, 0.001) == pytest.approx(1.05)
    assert math.isinf(stats.detectable(math.inf, 0.05, 0.001))


def test_a_change_beyond_all_numbers_is_not_detectable():
    assert stats.detectable(1e6, 0.05, 0.01) == math.inf
    assert stats.detectable(math.inf, 0.05, 0.01) == math.inf
    assert math.isfinite(stats.detectable(1.0, 0.05, 0.01))


@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_a_time_has_the_confidence_that_was_asked_for(confidence):
    times = measured(noise=0.1).times_s
    assert time_estimate(times, confidence).confidence == confidence
    wide, narrow = time_estimate(times, 0.99), time_estimate(times, confidence)
    assert wide.low < narrow.low <= narrow.value <= narrow.high < wide.high


@given(st.integers(1, 4), st.integers(1, 5), st.randoms(use_true_random=False), st.booleans())
def test_passes_of_equal_rounds_are_paired_as_any_others_are(passes, samples, random, lost):
    def row(name):
        times = [[random.uniform(0, 2) for _ in range(samples)] for _ in range(passes)]
        rounds = [random.sample(range(samples), samples) for _ in range(passes)]
        return measured(name, times_s=times, rounds=tuple(map(tuple, rounds)))

    def general(outcome):
        logs = stats.RoundLogs(outcome)
        logs.table = None
        return logs

    one, other = row("numpy"), row("numba")
    if lost:  # a pass more on one side alone
        other = measured("numba", times_s=other.times_s[1:] or other.times_s)
    found = stats.paired_passes(one, other)
    assert found.tolist() == general(one).over(general(other)).tolist()
