"""The answer of a run in sentences: who is fastest in each case, and by how much at least."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from lnbench.judge.ranking import Ranking
from lnbench.judge.stats import Estimate
from lnbench.judge.summary import rankings
from lnbench.plan.case import shape_text
from lnbench.record.report import Report
from lnbench.render.sheet import View, group_title, grouped

MOST_LINES = 8
"""Cases of one table that have a line each; more are counted."""


def answers(cases: Sequence[Ranking], relative_to: str | None = None) -> tuple[str, ...]:
    """Return who is fastest in the cases of one table, a line each, or counted.

    Args:
        cases: who is fastest in each; cases of one backend alone have nothing to say.
        relative_to: the backend that the fastest is held against, where that is shown slower;
            else the next one is.
    """
    told = [case for case in cases if _contestants(case) > 1]
    if len(told) <= MOST_LINES:
        return tuple(f"{_name(case)}: {sentence(case, relative_to)}" for case in told)
    first = told[0].case
    return (f"{first.dtype} {first.direction}, {len(told)} shapes: {'; '.join(_counted(told))}",)


def summary_view(report: Report, relative_to: str | None = None) -> View:
    """Return the answers of a run alone; in JSON who is fastest in each case."""
    found = rankings(report)
    tables = grouped(found, lambda each: group_title(each.case)).values()
    lines = itertools.chain.from_iterable(answers(table, relative_to) for table in tables)
    return View(tuple(lines) or ("no case was measured with two backends",), (), found)


def sentence(found: Ranking, relative_to: str | None = None) -> str:
    """Return who is fastest in a case, with the ends of the interval that is shown.

    As many times as fast is rounded outward: no more is claimed than the passes show.
    """
    if not found.fastest:
        return f"too few passes to tell: {_few(found)}"
    if not found.slower:
        said = "no backend is shown to be slower than another"
    else:
        beside = min(found.slower, key=lambda name: found.slower[name].low)
        if relative_to in found.slower:
            beside = str(relative_to)
        said = f"{found.fastest} is fastest, {_times(found.slower[beside])} as fast as {beside}"
        if found.equal:
            verb = "is" if len(found.equal) == 1 else "are"
            said += f"; {_listed(found.equal)} {verb} not shown slower"
    return f"{said}; {_few(found)}" if found.unknown else said


def _counted(cases: Sequence[Ranking]) -> Iterator[str]:
    """Yield who is fastest how often, and in how many cases nobody is."""
    wins = Counter(case.fastest for case in cases if case.slower)
    for name, count in wins.most_common():
        alone = sum(case.fastest == name and not case.equal for case in cases if case.slower)
        others = "" if alone == count else f" (at {alone} shown against all others)"
        yield f"{name} is fastest at {count}{others}"
    if (few := sum(not case.fastest for case in cases)) > 0:
        yield f"at {few} too few passes tell"
    if (none := sum(bool(case.fastest) and not case.slower for case in cases)) > 0:
        yield f"at {none} no backend is shown to be slower than another"


def _contestants(found: Ranking) -> int:
    return bool(found.fastest) + len(found.equal) + len(found.slower) + len(found.unknown)


def _name(found: Ranking) -> str:
    case = found.case
    options = case.suffix.lstrip(";").replace(";", ", ")
    text = f"{shape_text(case.shape)} {case.dtype} {case.direction}"
    return f"{text} ({options})" if options else text


def _times(ratio: Estimate) -> str:
    """Return an interval of ratios, both ends rounded outward: `1.6–2.1×`."""
    return f"{_rounded(ratio.low, math.floor)}–{_rounded(ratio.high, math.ceil)}×"


def _rounded(ratio: float, towards: Callable[[float], int]) -> str:
    """Return a ratio in two digits, or in three where it is below 2: 1 is what it differs from."""
    digits = 2 if ratio < 2 else 1 if ratio < 10 else 0  # noqa: PLR2004
    return f"{towards(ratio * 10**digits) / 10**digits:.{digits}f}"


def _few(found: Ranking) -> str:
    counts = (
        f"{name} has {count} pass{'es' if count != 1 else ''}"
        for name, count in found.unknown.items()
    )
    return f"{', '.join(counts)} of the {found.needed} needed"


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
