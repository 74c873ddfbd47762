"""How the nodes of a cluster stand: while they measure, and in the end."""

import time
from collections import Counter
from collections.abc import Collection, Sequence
from operator import attrgetter

from lnbench.cluster.standing import Standing, State
from lnbench.render.sheet import Column, Sheet, View, objects, sheet
from lnbench.units import format_duration

_ORDER = (State.FAILED, State.MEASURING, State.INTERRUPTED, State.WAITING, State.DONE)
_ID_DIGITS = 8


def _report(standing: Standing) -> str | None:
    place = standing.place
    return place.path.name if place is not None and place.begun else None


def _taken_s(standing: Standing) -> float:
    return standing.seconds or time.monotonic() - standing.since


_COLUMNS = (
    Column("node", lambda each: each.node.id[:_ID_DIGITS], key="node", right=False),
    Column("machine", lambda each: each.machine or None, key="machine", right=False, if_known=True),
    Column("state", attrgetter("state"), key="state", right=False),
    Column("rows", lambda each: each.rows[0], key="measured"),
    Column("skipped", lambda each: each.rows[1], key="skipped", worth=1),
    Column("failing", lambda each: each.rows[2], key="failed", worth=2),
    Column("time", attrgetter("seconds"), format_duration, key="seconds"),
    Column("report", _report, key="report", right=False, if_known=True),
    Column(None, attrgetter("words"), key="reason"),
)

_LIVE = (
    *_COLUMNS[:3],
    Column("time", _taken_s, format_duration),
    Column("", lambda each: each.words.replace(" rows done · about", " rows ·"), right=False),
)


def summary_view(standings: Collection[Standing]) -> View:
    """Return a row a node, with the reasons of those that failed below."""
    rows = sorted(standings, key=lambda each: (each.machine, _report(each) or ""))
    reasons = Counter(each.words for each in rows if each.words)
    notes = [
        f"{count} nodes: {words}" if count > 1 else f"{_named(rows, words)}: {words}"
        for words, count in reasons.items()
    ]
    nice = max((each.niceness for each in rows), default=0)
    if nice:
        notes.append(
            f"Ray started the sessions with niceness {nice}, behind all else that runs there; "
            "RAY_worker_niceness=0 ray start … gives them the usual one"
        )
    shown = sheet(
        "", _COLUMNS, rows, notes, [counts(rows)], dim=lambda each: each.state is State.DONE
    )
    return View((), (shown,), objects(_COLUMNS, rows))


def live_sheet(standings: Collection[Standing], lines: int) -> Sheet:
    """Return how nodes stand now, those first that somebody may want to look at.

    Args:
        standings: of all nodes.
        lines: how many nodes there is room for.
    """
    rows = sorted(standings, key=lambda each: _ORDER.index(each.state))
    more = len(rows) - lines
    return sheet("", _LIVE, rows[:lines], [f"and {more} more nodes"] * (more > 0))


def counts(standings: Collection[Standing]) -> str:
    """Return how many nodes stand how: `3 nodes: 2 done, 1 failed`."""
    states = Counter(each.state for each in standings)
    told = ", ".join(f"{states[state]} {state}" for state in reversed(_ORDER) if states[state])
    return f"{len(standings)} node{'s' * (len(standings) != 1)}: {told}"


def _named(rows: Sequence[Standing], words: str) -> str:
    return next(each.node.id[:_ID_DIGITS] for each in rows if each.words == words)
