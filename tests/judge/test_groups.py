"""Laws of verdicts on groups: what the rest explains is taken away, and nothing more is called."""

import itertools

import msgspec
import numpy as np
import pytest
from factories import measured, report
from hypothesis import given, settings
from hypothesis import strategies as st

from lnbench.errors import ExitCode
from lnbench.judge import groups
from lnbench.judge.control import FEWEST_BESIDE, Layout, adjusted
from lnbench.judge.diff import compare, exit_code
from lnbench.judge.drift import DRIFT_FLOOR, drift
from lnbench.judge.groups import FEWEST_GROUPS, FEWEST_ROWS, alphas, rows_level
from lnbench.judge.paired import Decided, compare_sides
from lnbench.judge.verdict import LogInterval, Verdict
from lnbench.plan.budget import LOOKS
from lnbench.plan.case import Benchmark
from lnbench.record.report import ReportSide

SHAPES = ("4096x1024", "2048x2048", "1024x4096", "512x8192")
BACKENDS = ("numpy", "numba", "torch-eager", "torch-compile", "copy")
MIRROR = {
    Verdict.REGRESSED: Verdict.IMPROVED,
    Verdict.IMPROVED: Verdict.REGRESSED,
    Verdict.UNCHANGED: Verdict.UNCHANGED,
    Verdict.INCONCLUSIVE: Verdict.INCONCLUSIVE,
    None: None,
}


def name(shape, backend):
    return f"layernorm/forward/{shape}/float32/cpu/{backend};cache=cold"


def run(seed, *, slow=None, hour=None, backends=BACKENDS, shapes=SHAPES, noise=0.02, passes=12):
    """Return a report of one hour; `slow` has factors by backend, `hour` one a pass for all."""
    rng = np.random.default_rng([seed, 77])
    hour = np.zeros(passes) if hour is None else hour
    rows = [
        measured(
            name(shape, backend),
            times_s=[
                (1e-3 * (slow or {}).get(backend, 1.0) * np.exp(luck + move),)
                for luck, move in zip(rng.normal(0, noise, passes), hour, strict=True)
            ],
        )
        for shape, backend in itertools.product(shapes, backends)
    ]
    return report(*rows, day=1 + seed % 20)


def by_backend(diff):
    return {group.backend: group for group in diff.groups}


@pytest.mark.parametrize("seed", range(5))
def test_a_backend_that_is_slower_in_a_slower_hour_is_called_against_the_rest(seed):
    hour = np.linspace(0.05, 0.15, 12)
    diff = compare([run(seed)], [run(seed + 50, slow={"numba": 1.12}, hour=hour)])
    groups = by_backend(diff)
    assert groups["numba"].relative.verdict is Verdict.REGRESSED
    assert groups["numba"].relative.ratio.value == pytest.approx(1.12, rel=0.03)
    assert groups["numba"].absolute.verdict is Verdict.INCONCLUSIVE  # the copy moved as well
    assert [key for key, group in groups.items() if group.verdict is Verdict.REGRESSED] == ["numba"]
    assert exit_code(diff) is ExitCode.REGRESSED


@pytest.mark.parametrize("seed", range(20))
def test_an_hour_that_slows_all_alike_is_no_change_of_any_group(seed):
    slower = np.abs(np.random.default_rng(seed).normal(0.08, 0.04, 12))
    diff = compare([run(seed)], [run(seed + 50, hour=slower)])
    assert not diff.shows(Verdict.REGRESSED)
    assert not diff.shows(Verdict.IMPROVED)


def test_a_change_of_everything_but_the_copy_is_the_absolute_readings_to_see():
    all_slower = dict.fromkeys(BACKENDS[:-1], 1.15)
    diff = compare([run(1)], [run(51, slow=all_slower)])
    judged = [group for group in diff.groups if group.absolute]
    assert {group.absolute.verdict for group in judged} == {Verdict.REGRESSED}
    assert all(group.relative is None for group in judged)


def test_a_change_of_one_backend_is_not_a_change_of_the_others_to_the_contrary():
    diff = compare([run(3)], [run(53, slow={"numpy": 2.0})])
    verdicts = {key: group.verdict for key, group in by_backend(diff).items()}
    assert verdicts.pop("numpy") is Verdict.REGRESSED
    assert Verdict.IMPROVED not in verdicts.values()


@given(st.integers(0, 10**6), st.sampled_from([0.8, 0.93, 1.0, 1.1, 1.3]), st.booleans())
@settings(max_examples=25)
def test_swapping_the_sides_swaps_the_verdict_of_every_group(seed, factor, disturbed):
    hour = np.linspace(0, 0.2, 12) if disturbed else None
    one, other = run(seed), run(seed + 1, slow={"numba": factor}, hour=hour)
    there, back = compare([one], [other]), compare([other], [one])
    for group, mirrored in zip(there.groups, back.groups, strict=True):
        for reading in ("absolute", "relative"):
            this, that = getattr(group, reading), getattr(mirrored, reading)
            assert (this is None) == (that is None)
            if this:
                assert that.verdict is MIRROR[this.verdict]
                assert that.ratio.value == pytest.approx(1 / this.ratio.value, rel=1e-12)
                assert that.ratio.low == pytest.approx(1 / this.ratio.high, rel=1e-12)


def test_few_rows_or_few_groups_are_not_judged_as_groups():
    few = compare([run(1, shapes=SHAPES[: FEWEST_ROWS - 1])], [run(2, shapes=SHAPES[:2])])
    assert all(group.verdict is None for group in few.groups)
    assert few.rule.level == pytest.approx(0.01 / 8)
    backends = (*BACKENDS[: FEWEST_GROUPS - 1], "copy")
    some = compare([run(1, backends=backends)], [run(2, backends=backends)])
    judged = [group for group in some.groups if group.backend != "copy"]
    assert all(group.absolute and not group.relative for group in judged)


def test_rows_and_groups_share_alpha():
    benchmarks = [Benchmark.parse(name(*pair)) for pair in itertools.product(SHAPES, BACKENDS)]
    assert sum(alphas(0.01, benchmarks)) == 0.01
    assert rows_level(0.01, benchmarks) == pytest.approx(0.005 / 16)
    assert alphas(0.01, benchmarks[:3]) == (0.01, 0.0)


def test_the_control_of_a_row_is_the_median_of_the_others_of_its_case():
    rng = np.random.default_rng(0)
    common = rng.normal(0, 0.1, (2, 8))
    strengths = np.array([[0.5], [1.0], [1.5], [1.0], [1.0]])
    before, after = (5.0 + strengths * moves for moves in common)
    layout = Layout(cases=(0,) * 5, groups=tuple(range(5)), regimes=(0,) * 5)
    left = adjusted(before, after, layout)
    # What follows the others by a strength of its own is explained, but for the prior of the slope.
    assert max(np.abs(side - np.median(side)).max() for side in left) < 0.02
    assert np.ptp(before[2]) > 0.2


def test_too_few_beside_a_row_make_no_control_and_the_regime_takes_their_place():
    rng = np.random.default_rng(1)
    common = rng.normal(0, 0.1, 8)
    rows = np.tile(common, (8, 1)) + rng.normal(0, 1e-4, (8, 8))
    pairs = Layout((0, 0, 1, 1, 2, 2, 3, 3), (0, 1) * 4, (0,) * 8)
    assert np.abs(adjusted(rows, rows, pairs)[0]).max() < 0.01
    alone = Layout((0, 0, 1, 1, 2, 2, 3, 3), (0, 1) * 4, (0, 0, 1, 1, 2, 2, 3, 3))
    assert np.isnan(adjusted(rows, rows, alone)[0]).all()
    assert FEWEST_BESIDE == 3


def test_lost_passes_are_left_out_of_groups_and_nothing_else_is():
    whole, holed = run(5), run(55)
    outcomes = list(holed.outcomes)
    times = outcomes[0].times_s
    outcomes[0] = measured(outcomes[0].benchmark.id, times_s=((), *times[1:]))
    diff = compare([whole], [report(*outcomes, day=9)])
    assert len(diff.comparisons) == len(SHAPES) * len(BACKENDS)
    assert not diff.shows(Verdict.REGRESSED)
    assert by_backend(diff)["numpy"].relative


def test_one_wild_copy_row_does_not_make_the_drift():
    calm = [0.01, -0.012, 0.015, 0.02, -0.01]
    regimes = ["cpu memory"] * 6
    tame = drift([*calm, 0.02], regimes).largest
    assert drift([*calm, 1.5], regimes).largest < 2 * tame
    assert drift([0.1] * 6, regimes).largest > 0.1


def test_drift_is_read_by_regime_and_from_all_where_a_regime_has_no_copy():
    moved = drift([0.2, 0.2, 0.2, 0.0, 0.0, 0.0], ["cpu memory"] * 3 + ["cpu cache"] * 3)
    assert moved.of("cpu cache") < moved.of("cpu memory")
    assert moved.of("cuda memory") == moved.together
    assert drift([], []).largest == DRIFT_FLOOR


def test_a_row_that_moved_in_every_pass_and_cannot_be_called_is_marked():
    before, after = report(measured(passes=3)), report(measured(time_s=3.5e-3, passes=3), day=2)
    (row,) = compare([before], [after]).comparisons
    assert (row.verdict, row.unproven) == (Verdict.INCONCLUSIVE, True)
    (same,) = compare([before], [report(measured(passes=3, seed=4), day=2)]).comparisons
    assert not same.unproven
    enough = report(measured(passes=12)), report(measured(time_s=3.5e-3, passes=12), day=2)
    (proven,) = compare(enough[:1], enough[1:]).comparisons
    assert (proven.verdict, proven.unproven) == (Verdict.REGRESSED, False)


def pairs(seed, factor=1.0, count=16, noise=0.03):
    """Return both sides of each shape of one backend, in a session of that many pairs."""
    rng = np.random.default_rng(seed)
    rows = []
    for shape in SHAPES:
        moves = rng.normal(0, noise, (2, count)) + np.cumsum(rng.normal(0, 0.05, count))
        rows.append(
            tuple(
                measured(name(shape, "numpy"), times_s=[(1e-3 * f * np.exp(m),) for m in side])
                for f, side in zip((1.0, factor), moves, strict=True)
            )
        )
    return rows


def session(rows):
    plain = report()
    sides = tuple(ReportSide(text, "", 0.0, plain.environment) for text in ("git:a", "git:b"))
    outcomes = [
        msgspec.structs.replace(outcome, side=side)
        for row in rows
        for outcome, side in zip(row, ("baseline", "candidate"), strict=True)
    ]
    return report(*outcomes, sides=sides, looks=LOOKS)


def test_a_group_of_pairs_is_called_where_none_of_its_rows_can_be():
    diff = compare_sides(session(pairs(1, 1.08, count=24, noise=0.06)), alpha=1e-3)
    (group,) = diff.groups
    assert group.verdict is Verdict.REGRESSED
    assert diff.count(Verdict.REGRESSED) < len(SHAPES)
    assert exit_code(diff) is ExitCode.REGRESSED


def test_rows_of_a_group_that_is_shown_unchanged_stop_and_those_that_moved_go_on():
    rows = pairs(2, count=36, noise=0.06)
    odd = pairs(3, 1.06, count=36, noise=0.06)[0]
    decided = Decided([row[1].benchmark for row in rows], LOOKS)
    first = [decided(*row) for row in rows]
    again = [decided(*row) for row in rows]
    assert not any(first[:3])  # nothing is known of the group before its last row
    assert any(again)
    assert not decided(*odd)


def test_pairs_of_rows_that_went_on_alone_are_not_the_groups():
    rows = pairs(4)
    longer = pairs(4, count=36)[0]
    diff = compare_sides(session([longer, *rows[1:]]))
    (group,) = diff.groups
    alone = compare_sides(session(rows)).groups[0]
    assert group.rows == alone.rows
    assert group.absolute.ratio.high - group.absolute.ratio.low < 0.2


@pytest.mark.parametrize("count", [1, 4, 9])
@pytest.mark.parametrize("moved", [0.001, 0.1])
def test_how_far_groups_wander_does_not_depend_on_how_many_they_are(count, moved):
    here = {("o", "f", "d", "c", str(i)): LogInterval(moved, -1, 1, (8, 8)) for i in range(count)}
    apart = {("o", "f", "d", "c", "apart"): LogInterval(9.0, 8, 10, (8, 8))}
    expected = max(groups.REST_FLOOR, groups.REST_SHARE * moved)
    assert groups._wandering(here | apart, set(apart)) == pytest.approx(expected)
    assert groups._wandering(apart, set(apart)) == groups.REST_FLOOR
