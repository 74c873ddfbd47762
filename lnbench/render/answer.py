"""The answer of a run in sentences: who is fastest in each case, and by how much at least."""

import itertools
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from lnbench.judge.ranking import Ranking
from lnbench.judge.stats import Estimate
from lnbench.judge.summary import rankings
from lnbench.plan.case import Case, shape_text
from lnbench.record.report import Report
from lnbench.render.columns import passes_text
from lnbench.render.notes import listed
from lnbench.render.sheet import View, group_title, grouped

MOST_LINES = 8
"""Cases of a report that have a line each; more are counted, a line a table."""


def answers(
    cases: Sequence[Ranking], relative_to: str | None = None
) -> Mapping[str, tuple[str, ...]]:
    """Return who is fastest, by the title of a table: a line a case, or counted in one.

    Args:
        cases: who is fastest in each case; cases of one backend alone have nothing to say.
        relative_to: the backend that the fastest is held against, where that is shown slower;
            else the next one is.
    """
    told = [case for case in cases if _contestants(case) > 1]
    name = _naming([case.case for case in told])

    def lines(table: Sequence[Ranking]) -> Iterator[str]:
        if len(told) > MOST_LINES and len(table) > 1:
            yield f"{name(table)}: {'; '.join(_counted(table, relative_to))}"
        else:
            yield from (f"{name([each])}: {sentence(each, relative_to)}" for each in table)

    tables = grouped(told, lambda each: group_title(each.case))
    return {title: tuple(lines(table)) for title, table in tables.items()}


def summary_view(report: Report, relative_to: str | None = None) -> View:
    """Return the answers of a run alone; in JSON who is fastest in each case."""
    found = rankings(report)
    lines = itertools.chain.from_iterable(answers(found, relative_to).values())
    return View(tuple(lines) or ("no case has two measured backends to compare",), (), found)


def sentence(found: Ranking, relative_to: str | None = None) -> str:
    """Return who is fastest in a case, with the ends of the interval that is shown.

    As many times as fast is rounded outward: no more is claimed than the passes show.
    """
    if not found.fastest:
        counts = found.unknown.values()
        verb = "is" if max(counts) == 1 else "are"
        few = f"{passes_text(max(counts), min(counts))} {verb} too few"
        return f"{few} to rank {len(counts)} backends: {found.needed} are needed"
    if not found.slower:
        said = "no backend is shown to be slower than another"
    else:
        beside = min(found.slower, key=lambda name: found.slower[name].low)
        if relative_to in found.slower:
            beside = str(relative_to)
        among = f" of the {_known(found)} with enough passes" if found.unknown else ""
        said = f"{found.fastest} is fastest{among}, {_as_fast([found.slower[beside]], beside)}"
        if found.equal:
            verb = "is" if len(found.equal) == 1 else "are"
            said += f"; {listed(found.equal)} {verb} not shown slower"
    return f"{said}; {_few(found)}" if found.unknown else said


def _counted(cases: Sequence[Ranking], relative_to: str | None) -> Iterator[str]:
    """Yield who is fastest how often and by how much, and in how many cases nobody is."""
    shown = [case for case in cases if case.slower]
    for name, count in Counter(case.fastest for case in shown).most_common():
        own = [case for case in shown if case.fastest == name]
        alone = sum(not case.equal and not case.unknown for case in own)
        ratios = [case.slower[relative_to] for case in own if relative_to in case.slower]
        verb = "is fastest" if alone == count else "leads"
        said = f"{name} {verb} at {'all ' if count == len(cases) else ''}{count}"
        if relative_to and len(ratios) == count:
            said += f", {_as_fast(ratios, relative_to)}"
        proven = f"proven fastest at {alone}" if alone else "not proven fastest at any"
        yield said if alone == count else f"{said}, {proven}"
    if (few := sum(not case.fastest for case in cases)) > 0:
        yield f"the passes are too few to tell at {few}"
    if (none := sum(bool(case.fastest) and not case.slower for case in cases)) > 0:
        yield f"no backend is shown to be slower than another at {none}"


def _known(found: Ranking) -> int:
    """Return how many backends have passes enough to tell."""
    return bool(found.fastest) + len(found.equal) + len(found.slower)


def _contestants(found: Ranking) -> int:
    return _known(found) + len(found.unknown)


def _naming(cases: Sequence[Case]) -> Callable[[Sequence[Ranking]], str]:
    """Return what names cases of a table, with the operation or device where there are several."""
    operations = len({case.operation for case in cases}) > 1
    devices = len({case.device for case in cases}) > 1

    def name(table: Sequence[Ranking]) -> str:
        case = table[0].case
        options = case.suffix.lstrip(";").replace(";", ", ")
        words = [case.operation] if operations else []
        words += [shape_text(case.shape)] if len(table) == 1 else []
        words += [str(case.dtype), str(case.direction)]
        words += [f"on {case.device}"] if devices else []
        words += [f"({options})"] if options else []
        return " ".join(words) if len(table) == 1 else f"{' '.join(words)}, {len(table)} shapes"

    return name


def _as_fast(ratios: Sequence[Estimate], beside: str) -> str:
    """Return intervals of ratios as one, both ends rounded outward: `1.6–2.1× as fast as numpy`."""
    low, high = min(each.low for each in ratios), max(each.high for each in ratios)
    return f"{_rounded(low, math.floor)}–{_rounded(high, math.ceil)}× as fast as {beside}"


def _rounded(ratio: float, towards: Callable[[float], int]) -> str:
    """Return a ratio in two digits, or in three where it is below 2: 1 is what it differs from."""
    digits = 2 if ratio < 2 else 1 if ratio < 10 else 0  # noqa: PLR2004
    step, scale = (1 if towards is math.ceil else -1), 10**digits
    steps = towards(ratio * scale)
    if (steps / scale - ratio) * step < 0:  # the product was rounded to a whole number
        steps += step
    return f"{steps / scale:.{digits}f}"


def _few(found: Ranking) -> str:
    """Return who has too few passes: `numpy has 1 pass and triton 3 of the 7 needed`."""
    (first, count), *others = found.unknown.items()
    counts = [f"{first} has {passes_text(count)}", *(f"{name} {n}" for name, n in others)]
    return f"{listed(counts)} of the {found.needed} needed"
