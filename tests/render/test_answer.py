"""What is said of who is fastest: never more than the intervals show."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lnbench.judge.ranking import Ranking
from lnbench.judge.stats import Estimate
from lnbench.plan.case import Case, Direction, DType
from lnbench.render.answer import MOST_LINES, answers, sentence


def case(rows=4096):
    return Case("layernorm", Direction.FORWARD, (rows, 1024), DType.BFLOAT16, "cpu")


def ranking(rows=4096, **known):
    return Ranking(case=case(rows), needed=7, **known)


def ratio(low, high):
    return Estimate((low * high) ** 0.5, low, high, 0.95)


ends = st.tuples(st.floats(1.0005, 500), st.floats(1.0, 3)).map(lambda e: (e[0], e[0] * e[1]))


def test_the_fastest_is_held_against_the_backend_that_is_asked_for():
    slower = {"torch-eager": ratio(1.64, 2.03), "numpy": ratio(1.21, 1.3)}
    found = ranking(fastest="torch-compile", equal=("numba",), slower=slower)

    (line,) = answers([found], "torch-eager")

    first, second = line.split("; ")
    assert first.startswith("4096x1024 bfloat16 forward: torch-compile is fastest, ")
    assert first.endswith(", 1.64–2.1× as fast as torch-eager")
    assert second == "numba is not shown slower"


def test_without_one_it_is_held_against_the_nearest():
    slower = {"torch-eager": ratio(1.64, 2.03), "numpy": ratio(1.21, 1.3)}
    assert "1.21–1.30× as fast as numpy" in sentence(ranking(fastest="numba", slower=slower))


@given(ends=ends)
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
        "too few passes to tell: numba has 1 pass, numpy has 3 passes of the 7 needed"
    )
    found = ranking(fastest="numba", slower={"numpy": ratio(2, 3)}, unknown={"triton": 1})
    assert sentence(found).endswith("; triton has 1 pass of the 7 needed")


def test_a_backend_alone_has_nothing_to_be_compared_with():
    assert answers([ranking(unknown={"numba": 12})]) == ()


@given(
    winners=st.lists(st.sampled_from(["numba", "numpy", "", "tie"]), min_size=1, max_size=40),
)
def test_many_cases_are_counted_and_each_is_counted_once(winners):
    found = [ranking(rows, **known(winner)) for rows, winner in enumerate(winners, start=1)]

    lines = answers(found)

    if len(winners) <= MOST_LINES:
        assert len(lines) == len(winners)
        return
    (line,) = lines
    assert f"{len(winners)} shapes" in line
    assert sum(map(int, re.findall(r"(?:is fastest at|; at|: at) (\d+)", line))) == len(winners)


def known(winner):
    if winner == "tie":
        return {"fastest": "numba", "equal": ("numpy",)}
    if not winner:
        return {"unknown": {"numba": 1, "numpy": 1}}
    return {"fastest": winner, "slower": {"torch-eager": ratio(2, 3)}}
