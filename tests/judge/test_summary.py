"""What the tables of one run say."""

import pytest
from factories import environment, failed, measured, report, skipped

from lnbench.errors import UnknownNameError
from lnbench.judge import ranking, stats
from lnbench.judge.regime import Regime
from lnbench.judge.summary import rows
from lnbench.plan.case import Work
from lnbench.record.environment import Cpu
from lnbench.record.outcome import Agreement, Caveat, CaveatKind, OutputAgreement

INTERPRETED = (Caveat(CaveatKind.INTERPRETED),)
MOVED = 2 * 4096 * 1024 * 4


def summary(*outcomes, relative_to=None, **fields):
    return {row.benchmark.backend: row for row in rows(report(*outcomes, **fields), relative_to)}


def test_every_outcome_has_its_row_in_the_order_of_the_report():
    outcomes = (measured("copy"), failed("triton"), measured("numpy"), skipped("torch-eager"))
    found = rows(report(*outcomes))
    assert [row.outcome for row in found] == list(outcomes)
    assert [row.time is not None for row in found] == [True, False, True, False]
    assert rows(report()) == ()


def test_time_and_bandwidth_agree():
    row = summary(measured("numpy", 2e-3, noise=0))["numpy"]
    assert row.time.value == pytest.approx(2e-3, rel=0.01)
    assert row.time.confidence == 0.95
    assert row.bandwidth == pytest.approx(MOVED / row.time.value)


def test_the_share_of_the_copy_counts_the_bytes_of_each():
    copy = measured("copy", 1e-3, noise=0, work=Work(1000, 0))
    found = summary(copy, measured("numpy", 2e-3, noise=0, work=Work(1500, 0)))
    share = found["numpy"].share_of_copy
    assert share.value == pytest.approx(0.75, rel=0.01)
    assert 0.7 < share.low <= share.value <= share.high < 0.8
    assert found["copy"].share_of_copy is None


def test_the_share_of_the_copy_is_paired_by_round():
    # The machine slows down eightfold within each pass, and the first round was lost.
    drift = [[(k + 1) * 2.0**j for j in range(4)] for k in range(8)]
    copy = measured("copy", times_s=drift)
    late = [[2 * time for time in row[1:]] for row in drift]
    slow = measured("numpy", times_s=late, rounds=((1, 2, 3),) * 8)
    share = summary(copy, slow)["numpy"].share_of_copy
    assert (share.value, share.low, share.high) == pytest.approx((0.5, 0.5, 0.5))


def test_backends_that_ran_one_after_the_other_are_paired_by_pass():
    caveats = (Caveat(CaveatKind.SEQUENTIAL),)
    copy = measured("copy", times_s=[(1.0, 2.0, 9.0)] * 6, caveats=caveats)
    slow = measured("numpy", times_s=[(8.0, 1.0, 4.0)] * 6, caveats=caveats)
    assert summary(copy, slow)["numpy"].share_of_copy.value == pytest.approx(0.5)


def test_a_case_without_a_copy_has_no_share():
    assert summary(measured("numpy"))["numpy"].share_of_copy is None
    assert summary(failed("copy"), measured("numpy"))["numpy"].share_of_copy is None


def test_a_speedup_is_above_1_for_what_is_faster():
    found = summary(
        measured("copy", 1e-4),
        measured("torch-eager", 3e-3, noise=0.001),
        measured("triton", 1e-3, noise=0.001),
        relative_to="torch-eager",
    )
    assert found["triton"].speedup.value == pytest.approx(3, rel=0.01)
    assert found["torch-eager"].speedup.value == found["torch-eager"].speedup.low == 1
    assert found["copy"].speedup is None
    assert summary(measured("numpy"))["numpy"].speedup is None
    alone = summary(measured("numpy", passes=1), relative_to="numpy")["numpy"]
    assert (alone.speedup.low, alone.speedup.high) == (1, 1)


def test_a_case_that_the_reference_did_not_measure_has_no_speedup():
    found = summary(failed("torch-eager"), measured("triton"), relative_to="torch-eager")
    assert found["triton"].speedup is None


def test_an_unknown_reference_is_named_with_its_neighbour():
    with pytest.raises(UnknownNameError, match="torch-eage'") as caught:
        rows(report(measured("torch-eager")), "torch-eage")
    assert "torch-eager" in caught.value.hint


def test_every_backend_that_is_not_shown_slower_is_best():
    found = summary(
        measured("copy", 1e-4),
        measured("numpy", 1.0e-3, noise=0.05),
        measured("triton", 1.002e-3, noise=0.05),
        measured("torch-eager", 2e-3, noise=0.05),
    )
    assert {name for name, row in found.items() if row.best} == {"numpy", "triton"}


def test_best_is_told_case_by_case():
    other = "layernorm/backward/4096x1024/float32/cpu"
    found = rows(
        report(
            measured("numpy", 1e-3),
            measured("triton", 2e-3),
            measured(f"{other}/numpy", 5e-2),
            measured(f"{other}/triton", 1e-2),
        )
    )
    assert [row.best for row in found] == [True, False, False, True]


def test_too_few_passes_show_nobody_best():
    found = summary(measured("numpy", 1e-3, passes=3), measured("triton", 9e-3, passes=3))
    assert not any(row.best for row in found.values())


def test_a_backend_alone_is_not_best():
    assert not summary(measured("copy", 1e-4), measured("numpy"))["numpy"].best


def ulp(error):
    return Agreement({"y": OutputAgreement(1e-6, 1e-7, error, 4e-6)})


def test_only_a_best_row_is_fast_but_inaccurate():
    found = summary(
        measured("triton", 1e-3, agreement=ulp(83.0)),
        measured("numpy", 2e-3, agreement=ulp(4.6)),
        measured("numpy-naive", 3e-2, agreement=ulp(90.0)),
    )
    assert kinds(found["triton"]) == [CaveatKind.FAST_INACCURATE]
    assert kinds(found["numpy-naive"]) == []


def test_a_speedup_that_contradicts_the_times_beside_it_says_what_happened():
    # The reference took 10 ms in the one pass that both have, and 61 µs in all others.
    eager = measured("torch-eager", times_s=[(1e-2,) * 5, *[(6.1e-5,) * 5] * 11])
    slow = measured("numpy", times_s=[(3.7e-2,) * 5])
    found = summary(eager, slow, relative_to="torch-eager")
    assert found["numpy"].caveats == (
        Caveat(
            CaveatKind.UNEVEN,
            "torch-eager took 10.0 ms in the 1 pass that both have, not 61.0 µs",
        ),
    )
    assert kinds(found["torch-eager"]) == []
    fine = summary(eager, measured("numpy", 6e-3), relative_to="torch-eager")
    assert kinds(fine["numpy"]) == []


@pytest.mark.parametrize("name", ["copy", "triton"])
def test_the_copy_and_interpreted_rows_are_never_best_and_never_compared(name):
    caveats = INTERPRETED if name == "triton" else ()
    found = summary(
        measured(name, 1e-6, caveats=caveats),
        measured("numpy", 1e-3),
        measured("numba", 2e-3),
        relative_to="numpy",
    )
    assert not found[name].best
    assert found[name].speedup is None
    assert found["numpy"].best
    against = summary(
        measured(name, 1e-6, caveats=caveats), measured("numpy", 1e-3), relative_to=name
    )
    assert against["numpy"].speedup is None


def kinds(row):
    return [caveat.kind for caveat in row.caveats]


@pytest.mark.parametrize(
    ("cache_bytes", "caveats"), [(MOVED - 1, [CaveatKind.ABOVE_COPY]), (MOVED, [])]
)
def test_faster_than_the_copy_beyond_the_cache_is_a_measuring_error(cache_bytes, caveats):
    machine = environment(cpu=Cpu("Zen 5", "x86_64", 2, 2, cache_bytes))
    found = summary(measured("copy", 2e-3), measured("numpy", 1e-3), environment=machine)
    assert kinds(found["numpy"]) == caveats
    assert kinds(found["copy"]) == []


def test_as_fast_as_the_copy_is_no_measuring_error():
    machine = environment(cpu=Cpu("Zen 5", "x86_64", 2, 2, 1))
    found = summary(
        measured("copy", 1e-3, noise=0.1), measured("numpy", 9.9e-4, noise=0.1), environment=machine
    )
    assert found["numpy"].share_of_copy.value > 1
    assert kinds(found["numpy"]) == []


def test_an_unknown_cache_counts_as_a_large_one():
    machine = environment(cpu=Cpu("", "", 2, 2, 0))
    outcomes = measured("copy", 2e-3), measured("numpy", 1e-3)
    assert kinds(summary(*outcomes, environment=machine)["numpy"]) == []


def test_a_reference_that_is_unknown_is_missed_in_the_report():
    with pytest.raises(UnknownNameError) as caught:
        summary(measured("numpy"), relative_to="nmupy")
    assert caught.value.message == "the report: unknown backend 'nmupy'"
    assert caught.value.hint == "did you mean 'numpy'?"


def test_a_row_near_the_speed_of_the_copy_is_bound_by_it():
    machine = environment(cpu=Cpu("Zen 5", "x86_64", 2, 2, 1))
    copy, near, far = measured("copy", 1e-3), measured("numpy", 1.2e-3), measured("triton", 9e-3)
    found = summary(copy, near, far, environment=machine)
    assert found["numpy"].regime is Regime.BANDWIDTH
    assert found["triton"].regime is None


def test_a_best_row_that_another_beats_in_accuracy_says_by_how_much():
    def rough(name, time_s, ulp):
        return measured(
            name, time_s, agreement=Agreement({"y": OutputAgreement(0.0, 0.0, ulp, 1.0)})
        )

    found = summary(rough("triton", 1e-3, 64.0), rough("numpy", 5e-3, 2.0))
    (caveat,) = found["triton"].caveats
    assert caveat.kind is CaveatKind.FAST_INACCURATE
    assert caveat.detail == "64 ulp, where numpy is off by 2"
    assert found["numpy"].caveats == ()


@pytest.mark.parametrize(("ulp", "marked"), [(5.0, False), (5.1, True)])
def test_twice_the_error_and_a_rounding_is_still_as_accurate(ulp, marked):
    fast, slow = (
        measured(name, time_s, agreement=Agreement({"y": OutputAgreement(0.0, 0.0, error, 1.0)}))
        for name, time_s, error in (("triton", 1e-3, ulp), ("numpy", 5e-3, 2.0))
    )
    assert (kinds(summary(fast, slow)["triton"]) == [CaveatKind.FAST_INACCURATE]) == marked


@pytest.mark.parametrize("cases", [2, 8])
def test_the_logarithms_of_each_row_are_taken_once(monkeypatch, cases):
    taken = []
    names = ("copy", "numpy", "numba", "torch-eager")
    monkeypatch.setattr(ranking, "RoundLogs", lambda row: taken.append(row) or stats.RoundLogs(row))
    made = report(
        *(
            measured(f"layernorm/forward/{n}x8/float32/cpu/{name}")
            for n in range(1, cases + 1)
            for name in names
        )
    )
    rows(made, "torch-eager")
    assert len(taken) == cases * len(names)


def test_a_speedup_that_the_same_passes_contradict_is_not_explained_by_others():
    """The median of the ratios and the ratio of the medians differ where passes do."""
    eager = measured("torch-eager", times_s=[(1e-3,), (1e-2,), (1e-2,)])
    numba = measured("numba", times_s=[(1e-3,), (1e-3,), (1e-1,)])
    found = summary(eager, numba, relative_to="torch-eager")
    (caveat,) = found["numba"].caveats
    assert caveat.kind is CaveatKind.UNEVEN
    assert "passes differ from each other" in caveat.detail
    assert " not " not in caveat.detail
