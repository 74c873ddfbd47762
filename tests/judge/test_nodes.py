"""Sessions of `ab` on several machines: what holds for the kind, and what for a node."""

import math

import msgspec
import numpy as np
import pytest
from factories import environment, measured, report

from lnbench.errors import ReportError
from lnbench.judge.nodes import compare_nodes
from lnbench.judge.verdict import Verdict
from lnbench.plan.budget import LOOKS
from lnbench.record.report import ReportSide

PAIRS = 40
SIDES = tuple(ReportSide(text, "", 0.0, environment()) for text in ("git:a", "git:b"))


def timed(logs, name, side):
    """Return a row with one sample a pass, given as logarithms."""
    times = tuple((1e-3 * math.exp(log),) for log in logs)
    return measured(name, times_s=times, side=side)


def node(rng, effects, names=("triton",), noise=0.01):
    """Return the session of a node whose own ratios differ from 1 by `effects`, as logarithms."""
    rows = []
    for name, effect in zip(names, effects, strict=True):
        before, after = rng.normal(0, noise, (2, PAIRS))
        rows += [timed(before, name, "baseline"), timed(after + effect, name, "candidate")]
    return report(*rows, sides=SIDES, looks=LOOKS)


def nodes(count, mean=0.0, spread=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return [node(rng, [rng.normal(mean, spread)]) for _ in range(count)]


def verdict(reports):
    (row,) = compare_nodes(reports).diff.comparisons
    return row.verdict


def test_what_all_nodes_show_holds_for_the_kind():
    assert verdict(nodes(8, mean=0.2, spread=0.02)) is Verdict.REGRESSED
    assert verdict(nodes(8, mean=-0.2, spread=0.02)) is Verdict.IMPROVED
    assert verdict(nodes(8, spread=0.005)) is Verdict.UNCHANGED


def test_nodes_that_disagree_show_nothing_of_the_kind_however_sure_each_is():
    rng = np.random.default_rng(0)
    mixed = [node(rng, [0.3 if number % 2 else -0.3]) for number in range(10)]
    shown = compare_nodes(mixed)
    (row,) = shown.diff.comparisons
    assert row.verdict is Verdict.INCONCLUSIVE
    counts = [one.verdict for one in shown.by_node[0]]
    assert counts.count(Verdict.REGRESSED) == counts.count(Verdict.IMPROVED) == 5


def test_too_few_nodes_are_said_in_words():
    (row,) = compare_nodes(nodes(3, mean=0.5)).diff.comparisons
    assert row.verdict is Verdict.INCONCLUSIVE
    assert row.reason == "needs 8 nodes, has 3"
    assert row.unproven


def test_node_effects_cry_wolf_no_more_often_than_alpha():
    called = [verdict(nodes(12, spread=0.1, seed=seed)) for seed in range(60)]
    assert called.count(Verdict.REGRESSED) + called.count(Verdict.IMPROVED) <= 1


def test_swapping_the_sides_swaps_the_verdict():
    there = nodes(9, mean=0.1, spread=0.02)
    back = [
        msgspec.structs.replace(
            one,
            outcomes=tuple(
                msgspec.structs.replace(
                    row, side="candidate" if row.side == "baseline" else "baseline"
                )
                for row in one.outcomes
            ),
        )
        for one in there
    ]
    (one,), (other,) = (compare_nodes(side).diff.comparisons for side in (there, back))
    assert (one.verdict, other.verdict) == (Verdict.REGRESSED, Verdict.IMPROVED)
    assert math.log(one.ratio.value) == pytest.approx(-math.log(other.ratio.value))


def test_groups_are_judged_by_node_too():
    names = [f"layernorm/forward/{size}x64/float32/cpu/triton" for size in (16, 32, 64)]
    rng = np.random.default_rng(0)
    some = [node(rng, [0.2, 0.2, 0.2], names) for _ in range(10)]
    (group,) = compare_nodes(some).diff.groups
    assert group.verdict is Verdict.REGRESSED


def test_a_node_that_lacks_a_row_counts_for_the_others():
    rng = np.random.default_rng(0)
    names = [f"layernorm/forward/{size}x64/float32/cpu/triton" for size in (16, 32)]
    some = [node(rng, [0.2, 0.2], names) for _ in range(9)]
    some.append(node(rng, [0.2], names[:1]))
    shown = compare_nodes(some)
    assert [len(row) for row in shown.by_node] == [10, 9]


def test_a_report_of_one_side_is_refused():
    with pytest.raises(ReportError, match="has no pairs"):
        compare_nodes([report(measured(), environment=environment())])
