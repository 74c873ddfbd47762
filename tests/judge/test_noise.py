"""Where noise comes from: what is planted in one place is found there, and nowhere else."""

import itertools
import math

import msgspec
import numpy as np
import pytest
from factories import measured, report, skipped

from lnbench.judge import noise as noise_module
from lnbench.judge.noise import Source, explain
from lnbench.record.outcome import Caveat, CaveatKind
from lnbench.record.report import ReportSide

PASSES, ROUNDS = 200, 10
PLANTED = 0.05
LITTLE = 0.002
SHAPES = {
    Source.SAMPLES: (PASSES, ROUNDS),
    Source.ROUNDS: (PASSES, ROUNDS),
    Source.PROCESSES: (PASSES, 1),
    Source.PASSES: (PASSES, 1),
}
SHARED = (Source.ROUNDS, Source.PASSES)


def case(source, names=("numpy", "copy"), scale=PLANTED, **fields):
    """Return the rows of a case whose noise comes from one source, and a little from samples."""
    rng = np.random.default_rng(list(source.encode()))
    shared = rng.normal(0, scale, SHAPES[source])
    made = []
    for name in names:
        own = shared if source in SHARED else rng.normal(0, scale, SHAPES[source])
        logs = own + rng.normal(0, LITTLE, (PASSES, ROUNDS))
        made.append(measured(name, times_s=(1e-3 * np.exp(logs)).tolist(), **fields))
    return made


def scatter(noise):
    return {source: getattr(noise, source) for source in Source}


@pytest.mark.parametrize("source", Source)
def test_noise_is_found_where_it_was_planted_and_nowhere_else(source):
    for noise in explain(report(*case(source))):
        found = scatter(noise)
        assert found.pop(source) == pytest.approx(PLANTED, rel=0.2)
        assert noise.source is source
        # A median of ten samples moves with them by a third of their scatter.
        assert all(other < 0.4 * PLANTED for other in found.values())


@pytest.mark.parametrize("source", Source)
def test_twice_the_noise_is_twice_the_scatter(source):
    once, twice = (explain(report(*case(source, scale=s)))[0] for s in (0.05, 0.1))
    assert getattr(twice, source) == pytest.approx(2 * getattr(once, source), rel=0.05)


def test_outliers_are_not_taken_for_scatter():
    row, other = case(Source.PROCESSES)
    wild = tuple(
        tuple(9 * t for t in times) if k % 20 == 0 else times for k, times in enumerate(row.times_s)
    )
    noise, _ = explain(report(msgspec.structs.replace(row, times_s=wild), other))
    assert noise.processes == pytest.approx(PLANTED, rel=0.3)


def test_a_row_alone_cannot_tell_its_own_luck_from_the_machine():
    (noise,) = explain(report(*case(Source.PASSES, ["numpy"])))
    assert (noise.rounds, noise.passes) == (None, None)
    assert noise.processes == pytest.approx(PLANTED, rel=0.2)


def test_rows_that_ran_one_after_the_other_share_nothing():
    caveats = (Caveat(CaveatKind.SEQUENTIAL),)
    for noise in explain(report(*case(Source.PASSES, caveats=caveats))):
        assert noise.passes is None


def test_drift_is_the_later_half_against_the_earlier():
    logs = np.repeat([0.0, math.log(1.1)], PASSES // 2)[:, None] + np.zeros((PASSES, ROUNDS))
    (noise,) = explain(report(measured("copy", times_s=np.exp(logs).tolist())))
    assert math.exp(noise.drift) == pytest.approx(1.1)


def test_four_times_the_passes_halve_the_interval():
    noise = explain(report(*case(Source.PROCESSES)))[0]
    assert noise.units_for(noise.half_width / 2) == 4 * PASSES
    assert noise.units_for(noise.half_width) == PASSES
    assert noise.units_for(1.0) == PASSES


def test_too_few_passes_tell_nothing():
    few = measured("numpy", passes=3)
    (noise,) = explain(report(few))
    assert (noise.processes, noise.drift, noise.source) == (None, None, None)
    assert noise.units_for(0.05) is None


def test_what_was_not_measured_has_no_noise():
    assert explain(report()) == ()
    assert explain(report(skipped("numpy"))) == ()


def sided(rows, texts=("backend:numpy", "backend:torch-eager")):
    plain = report()
    names = itertools.cycle(("baseline", "candidate"))
    outcomes = (msgspec.structs.replace(row, side=n) for row, n in zip(rows, names, strict=False))
    sides = tuple(ReportSide(text, "", 0.0, plain.environment) for text in texts)
    return report(*outcomes, sides=sides)


@pytest.mark.parametrize("source", SHARED)
def test_what_two_sides_share_is_gone_from_their_ratio(source):
    alone = explain(report(*case(source)))[0]
    for noise in explain(sided(case(source, ("numpy", "torch-eager")))):
        assert getattr(noise, source) == pytest.approx(PLANTED, rel=0.2)
        assert noise.source not in SHARED
        assert noise.half_width < alone.half_width


def test_both_sides_have_the_interval_of_candidate_to_baseline():
    one = measured("numpy", 1e-3, noise=0.001)
    two = measured("numpy", 2e-3, noise=0.001, seed=1)
    found = explain(sided((one, two), ("git:a", "git:b")))
    assert [each.side for each in found] == ["baseline", "candidate"]
    assert found[0].interval == found[1].interval
    assert found[0].interval.value == pytest.approx(2, rel=0.01)


def test_a_side_without_the_other_has_no_interval():
    (noise,) = explain(sided((measured("numpy"),)))
    assert noise.half_width == math.inf


def test_pairs_of_other_backends_do_not_run_beside_a_pair_of_commits():
    pair = [measured("numpy"), measured("numpy", seed=1)]
    other = [measured("copy", seed=2), measured("copy", seed=3)]
    texts = ("git:a", "git:b")
    both = explain(sided([*pair, *other], texts))
    assert len(both) == len(pair) + len(other)
    assert [each for each in both if each.benchmark.backend == "numpy"] == list(
        explain(sided(pair, texts))
    )


def test_every_row_of_a_case_is_taken_apart_once(monkeypatch):
    taken = []
    split = noise_module.rests
    monkeypatch.setattr(noise_module, "rests", lambda *a: taken.append(a[0]) or split(*a))
    rows = [measured(name) for name in ("numpy", "copy", "numba", "triton", "torch-eager")]

    explain(report(*rows))

    assert taken == rows


def test_rounds_that_only_some_rows_have_are_not_compared():
    """A row that lost rounds is compared in those that it shares with all others."""
    row, other = case(Source.ROUNDS)
    times = tuple(passed[2:] for passed in row.times_s)
    rounds = tuple(passed[2:] for passed in row.rounds)
    short = msgspec.structs.replace(row, times_s=times, rounds=rounds)

    for noise in explain(report(short, other)):
        assert noise.rounds == pytest.approx(PLANTED, rel=0.2)
