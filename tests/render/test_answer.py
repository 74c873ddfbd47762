"""What is said of who is fastest: never more than the intervals show."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lnbench.judge.ranking import Ranking
from lnbench.judge.stats import Estimate
from lnbench.plan.case import Case, Direction, DType
from lnbench.render.answer import MOST_LINES, answers, sentence


def case(rows=4096, operation="layernorm", dtype=DType.BFLOAT16, device="cpu"):
    return Case(operation, Direction.FORWARD, (rows, 1024), dtype, device)


def ranking(rows=4096, of=None, **known):
    return Ranking(case=of or case(rows), needed=7, **known)


def lines_of(cases, relative_to=None):
    return [line for lines in answers(cases, relative_to).values() for line in lines]


def ratio(low, high):
    return Estimate((low * high) ** 0.5, low, high, 0.95)


ends = st.tuples(st.floats(1.0005, 500), st.floats(1.0, 3)).map(lambda e: (e[0], e[0] * e[1]))


def test_the_fastest_is_held_against_the_backend_that_is_asked_for():
    slower = {"torch-eager": ratio(1.64, 2.03), "numpy": ratio(1.21, 1.3)}
    found = ranking(fastest="torch-compile", equal=("numba",), slower=slower)

    (line,) = lines_of([found], "torch-eager")

    first, second = line.split("; ")
    assert first.startswith("4096x1024 bfloat16 forward: torch-compile is fastest, ")
    assert first.endswith(", 1.64–2.1× as fast as torch-eager")
    assert second == "numba is not shown slower"


def test_without_one_it_is_held_against_the_nearest():
    slower = {"torch-eager": ratio(1.64, 2.03), "numpy": ratio(1.21, 1.3)}
    assert "1.21–1.30× as fast as numpy" in sentence(ranking(fastest="numba", slower=slower))


@given(ends=ends)
@example(ends=(1.5, 1.6500000000000001))
@example(ends=(1.1499999999999999, 1.5))
def test_as_many_times_as_fast_is_rounded_outward(ends):
    low, high = ends
    said = sentence(ranking(fastest="numba", slower={"numpy": ratio(low, high)}))

    least, most = map(float, re.search(r"([\d.]+)–([\d.]+)×", said).groups())

    assert least <= low
    assert most >= high
    assert most / least <= 1.15 * high / low


@pytest.mark.parametrize("equal", [("numpy",), ("numpy", "triton")])
def test_nobody_is_called_fastest_where_nobody_is_shown_slower(equal):
    said = sentence(ranking(fastest="numba", equal=equal))
    assert said == "no backend is shown to be slower than another"


def test_too_few_passes_are_said_with_how_many_it_takes():
    assert sentence(ranking(unknown={"numba": 1, "numpy": 3})) == (
        "1 to 3 passes are too few to rank 2 backends: 7 are needed"
    )
    assert sentence(ranking(unknown={"numba": 1, "numpy": 1})).startswith("1 pass is too few")
    found = ranking(fastest="numba", slower={"numpy": ratio(2, 3)}, unknown={"triton": 1})
    assert sentence(found).endswith("; triton has 1 pass of the 7 needed")
    found = ranking(fastest="a", equal=("b",), unknown={"numba": 1, "numpy": 3, "triton": 5})
    assert sentence(found).endswith("; numba has 1 pass, numpy 3 and triton 5 of the 7 needed")


@given(names=st.sets(st.sampled_from(["a", "b", "c", "d"]), min_size=1))
def test_a_backend_with_too_few_passes_is_never_beaten_by_the_fastest(names):
    known = {"fastest": "numba", "equal": ("numpy",), "slower": {"torch-eager": ratio(2, 3)}}

    said = sentence(ranking(unknown=dict.fromkeys(names, 2), **known))

    assert said.startswith("numba is fastest of the 3 with enough passes, ")
    assert "is fastest, " in sentence(ranking(**known))


def test_a_backend_alone_has_nothing_to_be_compared_with():
    assert lines_of([ranking(unknown={"numba": 12})]) == []


@given(
    winners=st.lists(st.sampled_from(["numba", "numpy", "", "tie"]), min_size=1, max_size=40),
)
def test_many_cases_are_counted_and_each_is_counted_once(winners):
    found = [ranking(rows, **known(winner)) for rows, winner in enumerate(winners, start=1)]

    lines = lines_of(found)

    if len(winners) <= MOST_LINES:
        assert len(lines) == len(winners)
        return
    (line,) = lines
    assert f"{len(winners)} shapes" in line
    counts = re.findall(r"(?:is fastest|leads|to tell|than another) at (?:all )?(\d+)", line)
    assert sum(map(int, counts)) == len(winners)


def known(winner):
    if winner == "tie":
        return {"fastest": "numba", "equal": ("numpy",)}
    if not winner:
        return {"unknown": {"numba": 1, "numpy": 1}}
    return {"fastest": winner, "slower": {"torch-eager": ratio(2, 3)}}


@given(
    firsts=st.integers(1, 12), seconds=st.integers(0, 12), dtypes=st.permutations(list(DType)[:2])
)
def test_cases_are_counted_a_line_a_table_where_a_report_has_many(firsts, seconds, dtypes):
    counts = {dtype: count for dtype, count in zip(dtypes, (firsts, seconds), strict=True) if count}
    cases = [
        ranking(of=case(rows, dtype=dtype), **known("numba"))
        for dtype, count in counts.items()
        for rows in range(1, count + 1)
    ]

    tables = answers(cases)

    many = len(cases) > MOST_LINES
    for (dtype, count), lines in zip(counts.items(), tables.values(), strict=True):
        assert len(lines) == (1 if many else count)
        folded = f"{dtype} forward, {count} shapes: numba is fastest at all {count}"
        assert lines[0].startswith(folded) == (many and count > 1)
        # What is alone in its table has its ratio, which a count of many has not.
        assert ("×" in lines[0]) == (not many or count == 1)


@given(intervals=st.lists(ends, min_size=MOST_LINES + 1, max_size=20))
def test_what_is_said_of_many_cases_holds_in_each(intervals):
    cases = [
        ranking(rows, fastest="numba", slower={"numpy": ratio(*pair), "triton": ratio(1, 2)})
        for rows, pair in enumerate(intervals, start=1)
    ]

    (line,) = lines_of(cases, "numpy")

    least, most = map(float, re.search(r"([\d.]+)–([\d.]+)× as fast as numpy", line).groups())
    assert least <= min(low for low, _ in intervals)
    assert most >= max(high for _, high in intervals)
    assert "×" not in lines_of(cases)[0]


def test_a_ratio_that_one_of_many_cases_does_not_show_is_not_said_of_them():
    cases = [ranking(rows, **known("numba")) for rows in range(1, 12)]
    assert "2.0–3.0× as fast as torch-eager" in lines_of(cases, "torch-eager")[0]
    cases.append(ranking(12, fastest="numba", slower={"numpy": ratio(2, 3)}))
    assert "×" not in lines_of(cases, "torch-eager")[0]


@given(equal=st.integers(0, 9), unknown=st.integers(0, 9), clear=st.integers(MOST_LINES + 1, 12))
def test_only_cases_without_an_equal_or_an_unknown_are_shown_against_all(equal, unknown, clear):
    beside = [{"equal": ("numpy",)}] * equal + [{"unknown": {"numpy": 1}}] * unknown + [{}] * clear
    cases = [ranking(i, **known("numba"), **more) for i, more in enumerate(beside, start=1)]

    (line,) = lines_of(cases)

    assert line.endswith(f", proven fastest at {clear}") == (equal + unknown > 0)


def test_no_case_that_is_shown_against_all_is_said_so():
    cases = [ranking(i, **known("numba"), unknown={"numpy": 1}) for i in range(1, 12)]
    assert lines_of(cases)[0].endswith("leads at all 11, not proven fastest at any")


WON = {"fastest": "numba", "slower": {"numpy": ratio(2, 3)}}


def test_operations_and_devices_are_named_where_there_are_several():
    def said(*cases):
        return [line.partition(": ")[0] for line in lines_of([ranking(of=c, **WON) for c in cases])]

    assert said(case()) == ["4096x1024 bfloat16 forward"]
    assert said(case(), case(operation="rmsnorm")) == [
        "layernorm 4096x1024 bfloat16 forward",
        "rmsnorm 4096x1024 bfloat16 forward",
    ]
    assert said(case(), case(device="cuda:0")) == [
        "4096x1024 bfloat16 forward on cpu",
        "4096x1024 bfloat16 forward on cuda:0",
    ]
