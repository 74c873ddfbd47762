"""The laws of a diff."""

import math

import msgspec
import pytest
from factories import environment, failed, measured, report, skipped
from hypothesis import given, settings
from hypothesis import strategies as st

from lnbench.errors import ReportError
from lnbench.judge import ranks, stats
from lnbench.judge.diff import compare, exit_code
from lnbench.judge.verdict import LogInterval, Rule, Verdict, judge
from lnbench.record.environment import Device, Difference
from lnbench.record.outcome import Caveat, CaveatKind

MIRROR = {
    Verdict.REGRESSED: Verdict.IMPROVED,
    Verdict.IMPROVED: Verdict.REGRESSED,
    Verdict.UNCHANGED: Verdict.UNCHANGED,
    Verdict.INCONCLUSIVE: Verdict.INCONCLUSIVE,
}


def run(*, seed, day=1, slow=None, noise=0.005, copy_slow=1.0, **fields):
    """Return a report of four rows and a copy; `slow` has factors by backend."""
    factors = {"numpy": 1.0, "torch-eager": 1.0, "torch-compile": 1.0, "triton": 1.0}
    rows = [
        measured(name, 1e-3 * factor, seed=seed, noise=noise, **fields)
        for name, factor in (factors | (slow or {})).items()
    ]
    copy = measured("copy", 5e-4 * copy_slow, seed=seed, noise=0.002, **fields)
    return report(*rows, copy, day=day)


def verdicts(diff):
    return {row.benchmark.backend: row.verdict for row in diff.comparisons}


def one(diff, backend="triton"):
    return next(row for row in diff.comparisons if row.benchmark.backend == backend)


@pytest.mark.parametrize("seed", range(5))
def test_a_planted_slowdown_is_a_regression(seed):
    diff = compare([run(seed=seed)], [run(seed=seed + 100, slow={"triton": 1.2})])
    assert one(diff).verdict is Verdict.REGRESSED
    assert one(diff).ratio.value == pytest.approx(1.2, rel=0.02)
    assert diff.count(Verdict.REGRESSED) == 1
    assert exit_code(diff) == 1


def test_a_planted_speedup_is_an_improvement():
    quiet = {"noise": 0.002}
    diff = compare([run(seed=0, **quiet)], [run(seed=1, slow={"triton": 1 / 1.2}, **quiet)])
    assert one(diff).verdict is Verdict.IMPROVED
    assert exit_code(diff, strict=True) == 0


@pytest.mark.parametrize("seed", range(20))
def test_noise_alone_is_never_called(seed):
    diff = compare([run(seed=seed, noise=0.1)], [run(seed=seed + 1000, noise=0.1)])
    assert {row.verdict for row in diff.comparisons} <= {None, Verdict.INCONCLUSIVE}


@pytest.mark.parametrize("noise", [0.0, 0.001, 0.02, 0.3])
@pytest.mark.parametrize("passes", [1, 4, 12])
def test_identical_reports_have_no_change(noise, passes):
    same = run(seed=0, noise=noise, passes=passes)
    other = msgspec.structs.replace(same, suite="again")
    diff = compare([same], [other])
    quiet = {Verdict.UNCHANGED, Verdict.INCONCLUSIVE, None}
    assert {row.verdict for row in diff.comparisons} <= quiet
    assert all(row.ratio.value == 1 for row in diff.comparisons)


def test_a_quiet_row_is_shown_to_be_unchanged():
    diff = compare([run(seed=0, noise=0.002)], [run(seed=1, noise=0.002)])
    assert {row.verdict for row in diff.comparisons} == {Verdict.UNCHANGED, None}
    assert exit_code(diff, strict=True) == 0


@given(
    st.integers(0, 10**6),
    st.sampled_from([0.0, 0.002, 0.02, 0.1]),
    st.sampled_from([0.5, 0.9, 1.0, 1.05, 1.1, 1.5]),
    st.sampled_from([4, 7, 12]),
)
@settings(max_examples=40)
def test_swapping_the_reports_swaps_the_verdict(seed, noise, factor, passes):
    before = run(seed=seed, noise=noise)
    after = run(seed=seed + 1, noise=noise, passes=passes, slow={"triton": factor, "numpy": 1.2})
    there, back = compare([before], [after]), compare([after], [before])
    assert there.rule == back.rule
    for row, mirrored in zip(there.comparisons, back.comparisons, strict=True):
        assert (row.baseline, row.candidate) == (mirrored.candidate, mirrored.baseline)
        assert row.detectable == mirrored.detectable
        assert row.verdict is (mirrored.verdict and MIRROR[mirrored.verdict])
        assert row.ratio.value * mirrored.ratio.value == pytest.approx(1, rel=1e-12)
        if math.isfinite(row.ratio.high):
            assert row.ratio.low * mirrored.ratio.high == pytest.approx(1, rel=1e-12)


@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0, 0.5), st.floats(0, 0.2))
def test_a_mirrored_interval_has_the_mirrored_verdict(value, below, above, threshold, drift):
    rule = Rule(threshold, 0.01, drift, "pass")
    there = LogInterval(value, value - below, value + above, (12, 12))
    back = LogInterval(-value, -value - above, -value + below, (12, 12))
    verdict, reason, reach = judge(there, rule)
    mirrored, said, other_reach = judge(back, rule)
    assert verdict is MIRROR[mirrored]
    assert reason.replace("faster", "slower") == said.replace("faster", "slower")
    assert reach == other_reach


def test_the_same_files_have_the_same_diff_for_ever():
    before = report(measured(times_s=[(1e-3 + 1e-5 * (7 * k % 12),) for k in range(12)]))
    after = report(measured(times_s=[(1.1e-3 + 2e-5 * (5 * k % 12),) for k in range(12)]))
    diff = compare([before], [after])
    assert diff == compare([before], [after])
    # And with the numbers that it had when this was written.
    ratio = one(diff).ratio
    assert (ratio.value, ratio.low, ratio.high) == pytest.approx(GOLDEN, rel=1e-12)


GOLDEN = (1.146888917524534, 1.0541759316695298, 1.2446456348326418)


@pytest.mark.parametrize(
    ("value", "low", "high", "verdict"),
    [
        (0.06, 0.01, 0.11, Verdict.REGRESSED),
        (0.06, 0.0, 0.12, Verdict.INCONCLUSIVE),  # 1 is not left behind
        (0.048, 0.01, 0.09, Verdict.INCONCLUSIVE),  # slower, by less than the threshold
        (0.04, 0.035, 0.045, Verdict.UNCHANGED),  # changed, and within the threshold for sure
        (0.0, -0.0487, 0.0487, Verdict.UNCHANGED),
        (0.0, -0.0489, 0.0487, Verdict.INCONCLUSIVE),
        (-0.06, -0.11, -0.01, Verdict.IMPROVED),
        (-0.06, -0.11, 0.01, Verdict.INCONCLUSIVE),
        (0.3, -math.inf, math.inf, Verdict.INCONCLUSIVE),
    ],
)
def test_the_rule(value, low, high, verdict):
    assert (
        judge(LogInterval(value, low, high, (12, 12)), Rule(0.05, 0.01, 0.0, "pass"))[0] is verdict
    )


def test_drift_widens_an_interval_on_both_sides():
    band = LogInterval(0.06, 0.03, 0.09, (12, 12))
    assert judge(band, Rule(0.05, 0.01, 0.0, "pass"))[0] is Verdict.REGRESSED
    verdict, reason, _ = judge(band, Rule(0.05, 0.01, 0.04, "pass"))
    assert verdict is Verdict.INCONCLUSIVE
    assert reason == "cannot be told from drift (±4.08%): measure both sides in one session"


@pytest.mark.parametrize(
    ("band", "reason"),
    [
        (LogInterval(0.3, -math.inf, math.inf, (4, 4)), "needs 5 passes a side, has 4"),
        (LogInterval(0.3, -math.inf, math.inf, (12, 1)), "needs 5 passes a side, has 12 and 1"),
        (
            LogInterval(0.04, 0.01, 0.07, (9, 9)),
            "slower by less than 5%: lower the threshold to call it",
        ),
        (
            LogInterval(-0.04, -0.07, -0.01, (9, 9)),
            "faster by less than 5%: lower the threshold to call",
        ),
        (LogInterval(0.0, -0.06, 0.06, (12, 12)), "take about 24 passes a side"),
        (LogInterval(0.1, -0.01, 0.21, (12, 12)), "take about 16 passes a side"),
        (LogInterval(0.0, -0.5, 0.5, (12, 12)), "too noisy for 5%: raise the threshold or quiet"),
    ],
)
def test_an_inconclusive_row_says_what_to_do(band, reason):
    verdict, said, _ = judge(band, Rule(0.05, 0.01, 0.0, "pass"))
    assert verdict is Verdict.INCONCLUSIVE
    assert said.startswith(reason)


def test_noise_beside_drift_says_so():
    said = judge(LogInterval(0.0, -0.06, 0.06, (12, 12)), Rule(0.05, 0.01, 0.048, "pass"))[1]
    assert said == "noise and drift (±4.92%) hide 5%: measure both sides in one session"


def test_too_few_passes_give_no_verdict_and_the_sentence_says_how_many():
    diff = compare([run(seed=0, passes=5)], [run(seed=1, passes=5, slow={"triton": 3.0})])
    row = one(diff)
    assert row.verdict is Verdict.INCONCLUSIVE
    assert row.reason == "needs 6 passes a side, has 5"
    assert math.isinf(row.detectable)
    six = compare([run(seed=0, passes=6)], [run(seed=1, passes=6, slow={"triton": 3.0})])
    assert one(six).verdict is Verdict.REGRESSED


def test_alpha_is_shared_by_all_rows_but_the_copy():
    diff = compare([run(seed=0)], [run(seed=1)], alpha=0.02)
    assert diff.rule.level == pytest.approx(0.02 / 4)
    assert one(diff).ratio.confidence == pytest.approx(1 - 0.02 / 4)
    assert one(diff).baseline.confidence == 0.95


def test_the_copy_is_shown_without_a_verdict_and_without_an_exit_code():
    diff = compare([run(seed=0)], [run(seed=1, copy_slow=3.0)])
    row = one(diff, "copy")
    assert (row.verdict, row.detectable, row.reason) == (None, None, "")
    assert row.ratio.value == pytest.approx(3, rel=0.01)
    assert row.ratio.low > 2.9  # not widened: it is what the drift is read from
    assert exit_code(diff) == 0


def test_drift_is_read_from_the_copy_and_hides_what_moved_with_it():
    slow = dict.fromkeys(("numpy", "torch-eager", "torch-compile", "triton"), 1.1)
    diff = compare([run(seed=0)], [run(seed=1, slow=slow, copy_slow=1.1)])
    assert diff.drift.tau == pytest.approx(math.log(1.1), rel=0.05)
    assert diff.rule.drift > diff.drift.tau  # kernels may feel twice what the copy does
    assert diff.controls == 1
    assert diff.count(Verdict.INCONCLUSIVE) == 4
    assert CaveatKind.DRIFT in {caveat.kind for caveat in one(diff).caveats}
    assert one(diff).reason.startswith("cannot be told from drift")


def test_drift_is_at_least_two_percent_also_without_a_copy():
    with_copy = compare([run(seed=0)], [run(seed=1)])
    without = compare([report(measured(seed=0))], [report(measured(seed=1))])
    assert (with_copy.rule.drift, with_copy.controls) == (0.02, 1)
    assert (without.rule.drift, without.controls) == (0.02, 0)
    assert CaveatKind.DRIFT not in {caveat.kind for caveat in one(with_copy).caveats}


def test_detectable_counts_the_drift():
    quiet = compare([run(seed=0)], [run(seed=1)])
    drifting = compare([run(seed=0)], [run(seed=1, copy_slow=1.2)])
    assert one(drifting).detectable > one(quiet).detectable * 1.1


def test_passes_of_up_to_three_reports_are_pooled():
    before = [run(seed=seed, day=1 + seed, passes=2) for seed in range(3)]
    after = [run(seed=9 + seed, day=9 + seed, passes=2, slow={"triton": 1.3}) for seed in range(3)]
    diff = compare(before, after)
    assert diff.rule.unit == "pass"
    assert one(diff).verdict is Verdict.REGRESSED


def test_the_report_is_the_unit_as_soon_as_reports_are_enough_for_a_verdict():
    def side(day, count, slow=1.0):
        # Each hour has its own luck; passes within the hour hide it.
        luck = [0.9, 1.1, 0.95, 1.05, 1.0]
        return [
            report(measured(time_s=slow * luck[i], noise=0.001, seed=day + i), day=day + i)
            for i in range(count)
        ]

    assert compare(side(1, 3), side(11, 3)).rule.unit == "pass"
    assert compare(side(1, 4), side(11, 5)).rule.unit == "pass"  # one row needs 5 at this alpha
    assert compare(side(1, 5), side(11, 5)).rule.unit == "report"
    assert compare(side(1, 5), side(11, 5), alpha=0.001).rule.unit == "pass"
    assert one(compare(side(1, 5), side(11, 5, slow=2.0))).verdict is Verdict.REGRESSED
    assert one(compare(side(1, 5), side(11, 5, slow=1.06))).verdict is Verdict.INCONCLUSIVE


def test_a_report_named_twice_counts_once():
    before, after = run(seed=0, passes=3), run(seed=1, passes=3)
    assert compare([before, before], [after, after]) == compare([before], [after])


def test_what_the_candidate_fails_is_newly_failing_and_exits_with_3():
    before = report(measured("triton"), measured("numpy"))
    after = report(failed("triton", "dx is wrong"), measured("numpy", 2e-3, seed=1))
    diff = compare([before], [after])
    assert [change.benchmark.backend for change in diff.newly_failing] == ["triton"]
    assert diff.newly_failing[0].detail == "verify: dx is wrong"
    assert diff.removed == ()
    assert diff.count(Verdict.REGRESSED) == 1
    assert exit_code(diff, strict=True) == 3  # before the regression


def test_what_failed_before_is_not_new():
    before = [report(failed("triton")), report(measured("triton"), day=2)]
    assert compare(before, [report(failed("triton"))]).newly_failing == ()
    assert compare([report(failed("triton"))], [report(failed("triton"))]).newly_failing == ()


def test_a_failure_in_any_report_of_the_candidate_counts():
    after = [report(measured(seed=1), day=2), report(failed(), day=3)]
    diff = compare([report(measured())], after)
    assert len(diff.newly_failing) == 1
    assert len(diff.comparisons) == 1
    assert exit_code(diff) == 3


def test_one_sided_benchmarks_are_listed():
    case = "layernorm/forward/8x8/float32/cpu"
    before = report(measured("numpy"), measured(f"{case}/numpy"), measured("triton"))
    after = report(
        measured("numpy", seed=1), measured(f"{case}/numpy;cache=cold"), skipped("triton")
    )
    diff = compare([before], [after])
    assert [row.benchmark.backend for row in diff.comparisons] == ["numpy"]
    assert [benchmark.id for benchmark in diff.removed] == [f"{case}/numpy"]
    assert [benchmark.id for benchmark in diff.added] == [f"{case}/numpy;cache=cold"]
    assert [change.detail for change in diff.newly_skipped] == ["triton needs a CUDA device"]
    back = compare([after], [before])
    assert [benchmark.id for benchmark in back.added] == [f"{case}/numpy", one_id("triton")]


def one_id(name):
    return measured(name).benchmark.id


def test_two_devices_of_one_type_are_rows_that_join_and_an_environment_that_differs():
    case = "layernorm/forward/8x8/float32"
    sides = ([report(measured(f"{case}/{name}/triton"))] for name in ("cuda", "cuda:1"))
    before, after = sides
    diff = compare(before, after)
    assert Difference("cuda device", "cuda:0", "cuda:1", serious=True) in diff.environment
    assert not diff.comparable
    assert len(compare(before, after, any_environment=True).comparisons) == 1
    assert compare(before, before).environment == ()


def test_a_regression_exits_with_1_also_when_strict():
    diff = compare([run(seed=0)], [run(seed=1, noise=0.2, slow={"triton": 30.0})])
    assert diff.count(Verdict.INCONCLUSIVE) > 0
    assert exit_code(diff) == exit_code(diff, strict=True) == 1


def test_inconclusive_rows_exit_with_4_only_when_strict():
    diff = compare([run(seed=0, noise=0.1)], [run(seed=1, noise=0.1)])
    assert (exit_code(diff), exit_code(diff, strict=True)) == (0, 4)


@pytest.mark.parametrize("gone", [(), (skipped("triton"),)])
def test_removed_and_newly_skipped_rows_exit_with_4_only_when_strict(gone):
    quiet = {"noise": 0.002}
    before = report(measured("numpy", **quiet), measured("triton", **quiet))
    diff = compare([before], [report(measured("numpy", seed=1, **quiet), *gone)])
    assert (exit_code(diff), exit_code(diff, strict=True)) == (0, 4)


def test_detect_forgives_rows_that_could_have_shown_as_much():
    diff = compare([run(seed=0, noise=0.03)], [run(seed=1, noise=0.03)])
    assert diff.count(Verdict.INCONCLUSIVE) > 0
    worst = max(row.detectable for row in diff.comparisons if row.detectable)
    assert 1.04 < worst < 1.1
    assert exit_code(diff, strict=True) == 4
    assert exit_code(diff, strict=True, detect=0.10) == 0
    assert exit_code(diff, strict=True, detect=0.04) == 4
    assert exit_code(diff, detect=0.04) == 0


def test_a_gate_that_can_see_nothing_is_not_green():
    diff = compare([run(seed=0, noise=0.2)], [run(seed=1, noise=0.2)])
    assert exit_code(diff, strict=True, detect=0.10) == 4


def test_nothing_in_common_exits_with_5():
    diff = compare([report(measured("numpy"))], [report(measured("triton"))])
    assert exit_code(diff) == exit_code(diff, strict=True) == 5
    only_copy = compare([report(measured("copy"))], [report(measured("copy", seed=1))])
    assert exit_code(only_copy) == 5


SERIOUS = {
    "machine": {"machine_id": "ffff"},
    "threads": {"threads": 1},
    "torch": {"packages": {"numpy": "2.4.0", "torch": "2.14.0"}},
    "cuda:0 driver": {"devices": {"cuda:0": Device("H200", "580.1")}},
}


@pytest.mark.parametrize("name", SERIOUS)
def test_another_environment_is_named_and_not_compared(name):
    here = {"environment": environment(devices={"cuda:0": Device("H200", "570.2")})}
    there = {"environment": environment(**{"devices": here["environment"].devices} | SERIOUS[name])}
    before, after = report(measured(), **here), report(measured(seed=1), **there)
    diff = compare([before], [after])
    assert not diff.comparable
    assert name in [change.name for change in diff.environment if change.serious]
    assert diff.comparisons == ()
    assert exit_code(diff) == 5
    judged = compare([before], [after], any_environment=True)
    assert judged.comparable
    assert CaveatKind.ENVIRONMENT in {caveat.kind for caveat in one(judged).caveats}
    assert exit_code(judged) == 0


def test_passes_of_other_machines_of_a_kind_are_no_proof():
    other = environment(machine_id="ffff")
    before = [report(measured()), report(measured(seed=1), day=2, environment=other)]
    diff = compare(before, [report(measured("triton", 1.5e-3, seed=2), day=3)])
    assert diff.rule.unit == "report"
    assert one(diff).verdict is Verdict.INCONCLUSIVE
    assert exit_code(diff, strict=True) == 4


def test_the_same_machines_on_both_sides_are_judged_by_pass():
    other = environment(machine_id="ffff")
    before, after = (
        [report(measured(seed=n), day=n), report(measured(seed=n + 1), day=n, environment=other)]
        for n in (1, 3)
    )
    assert compare(before, after).rule.unit == "pass"


def test_threads_must_be_the_same_within_a_side_too():
    other = environment(threads=1)
    before = [report(measured()), report(measured(seed=1), day=2, environment=other)]
    assert exit_code(compare(before, [report(measured(seed=2), day=3)])) == 5


def test_a_harmless_difference_is_named_and_compared():
    after = report(measured(seed=1), environment=environment(python="3.14.0"))
    diff = compare([report(measured())], [after])
    assert [(change.name, change.serious) for change in diff.environment] == [("python", False)]
    assert diff.comparable
    assert one(diff).caveats == ()


def test_caveats_of_both_sides_travel_with_the_row():
    spawned = Caveat(CaveatKind.SPAWNED)
    before = measured(caveats=(spawned, Caveat(CaveatKind.SEQUENTIAL)))
    after = measured(times_s=[(1e-3,), ()], caveats=(spawned,))
    kinds = [row.kind for row in one(compare([report(before)], [report(after)])).caveats]
    assert kinds == [
        CaveatKind.SPAWNED,
        CaveatKind.SEQUENTIAL,
        CaveatKind.LOST_PASSES,
        CaveatKind.SINGLE_PROCESS,
    ]


def test_groups_have_the_geometric_mean_of_their_rows():
    ids = [f"layernorm/forward/{rows}x64/float32/cpu/triton" for rows in (1, 2)]
    before = report(*(measured(name, noise=0) for name in ids))
    after = report(
        *(measured(name, 1e-3 * f, noise=0) for name, f in zip(ids, (2, 8), strict=True))
    )
    (group,) = compare([before], [after]).groups
    assert (group.backend, group.rows) == ("triton", 2)
    assert group.ratio == pytest.approx(4, rel=0.01)


def test_a_report_of_another_kind_is_refused_by_name():
    comparison = report(measured(), sides=())
    with pytest.raises(ReportError, match="kind 'comparison'"):
        compare([report(measured())], [comparison])
    with pytest.raises(ReportError, match="no report"):
        compare([], [report(measured())])


def test_two_thousand_rows_are_judged_in_one_sweep(monkeypatch):
    ids = [f"layernorm/forward/{rows}x8/float32/cpu/numpy" for rows in range(1, 2001)]
    times = measured(samples=2).times_s
    before, after = (
        report(*(measured(name, times_s=times) for name in ids), day=day) for day in (1, 2)
    )
    sweeps = []
    sorting = stats._intervals
    monkeypatch.setattr(stats, "_intervals", lambda *args: sweeps.append(args) or sorting(*args))
    ranks.rank_sum_cut.cache_clear()
    ranks.signed_rank_cut.cache_clear()
    diff = compare([before], [after])
    assert len(diff.comparisons) == 2000
    assert ranks.rank_sum_cut.cache_info().misses == 2  # for rows, and for groups
    assert ranks.signed_rank_cut.cache_info().misses == 1
    assert len(sweeps) == 4  # the ratios of rows and of groups, and the times of each side
