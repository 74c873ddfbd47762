"""The words and the order of a diff, the same on a terminal and in Markdown."""

import math
from collections.abc import Callable, Iterable
from datetime import UTC
from typing import TypeAlias, TypeVar

from lnbench.judge.comparison import Comparison
from lnbench.judge.diff import Diff, undecided
from lnbench.judge.groups import FEWEST_GROUPS, BackendGroup, GroupReading
from lnbench.judge.side import Side
from lnbench.judge.stats import Estimate
from lnbench.judge.verdict import Verdict, percent
from lnbench.plan.case import shape_text
from lnbench.record.outcome import CaveatKind
from lnbench.render.busy import busy_sides
from lnbench.render.sheet import ABSENT, group_title, grouped
from lnbench.units import format_time, one_line, significant

CONTROL = "control"
"""What stands in the place of a verdict in a row of the copy."""

_HASH_DIGITS = 7
_TENTH, _TEN = 0.1, 10
_RANK = {verdict: rank for rank, verdict in enumerate(Verdict)}
_OF_ALL_ROWS = (CaveatKind.DRIFT, CaveatKind.ENVIRONMENT)
"""Caveats that the header has already said."""

Judged = TypeVar("Judged", Comparison, BackendGroup)
Block: TypeAlias = tuple[str, list[Comparison]]
"""A title, and the rows below it."""


def header(diff: Diff) -> list[tuple[str, str]]:
    """Return what was compared and by which rule: names and texts."""
    lines = [("baseline", _side(diff.baseline)), ("candidate", _side(diff.candidate))]
    lines += busy_sides(diff)
    judged = sum(row.verdict is not None for row in diff.comparisons)
    if judged:
        rule = diff.rule
        count = len(rule.looks)
        looks = f" ÷ {count} look{'s' * (count > 1)}" if count else ""
        shared = any(group.verdict is not None for group in diff.groups)
        alpha = percent(diff.alpha / 2) if shared else percent(diff.alpha)
        others = f", {alpha} for groups" if shared else ""
        share = f"alpha {alpha} ÷ {judged} rows{looks} = level {rule.level:.2g}{others}"
        share += f" · by {rule.unit}"
        lines.append(("judged by", f"threshold {percent(rule.threshold)} · {share}"))
    if judged and diff.drift is not None:
        source = f"seen by {diff.controls} rows of copy" if diff.controls else "no copy to see it"
        widths = dict(diff.drift.by_regime) or {"": diff.rule.drift}
        if len(set(widths.values())) == 1:
            widths = {"": diff.rule.drift}
        widened = ", ".join(
            f"{percent(math.expm1(width))} {regime}".rstrip() for regime, width in widths.items()
        )
        tau = percent(diff.drift.tau)
        lines.append(("drift", f"τ {tau} · intervals widened by {widened} · {source}"))
    return lines


def environment(diff: Diff) -> list[tuple[str, bool]]:
    """Return what differs between the environments, and whether it is serious."""
    return [
        (
            f"{change.name} {one_line(change.baseline)} → {one_line(change.candidate)}",
            change.serious,
        )
        for change in diff.environment
    ]


def refusal(diff: Diff) -> str:
    """Return why nothing was compared, in one sentence; empty where something was."""
    if any(row.verdict for row in diff.comparisons):
        return ""
    if diff.comparable and diff.comparisons:
        return "nothing could be compared: the two sides share only the copy, which has no verdict"
    if diff.comparable:
        return "nothing could be compared: the two sides have no benchmark in common"
    names = ", ".join(change.name for change in diff.environment if change.serious)
    return f"not comparable: {names} differ; --any-environment compares anyway"


def headline(diff: Diff) -> str:
    """Return the answer in one line: slower, faster, no change, or none that could be seen."""
    judged = [row for row in diff.comparisons if row.verdict is not None]
    if not judged:
        return refusal(diff)
    parts = [f"{len(diff.newly_failing)} newly failing"] if diff.newly_failing else []
    words = {Verdict.REGRESSED: ("slower", "up to"), Verdict.IMPROVED: ("faster", "down to")}
    for verdict, (word, bound) in words.items():
        rows = [row for row in judged if row.verdict is verdict]
        if rows:
            most = max(rows, key=_size)
            worst = f"{bound} {number(most.ratio.value)}× ({most.benchmark.id})"
            parts.append(f"{word}: {len(rows)} of {len(judged)} rows, {worst}")
        else:
            groups = [group for group in diff.groups if group.verdict is verdict]
            names = (f"{title_of(group)} · {group.backend} as a whole" for group in groups)
            parts += [f"{word}: {name}" for name in names]
    if parts:
        return "; ".join(parts)
    threshold, unseen = percent(diff.rule.threshold), diff.count(Verdict.INCONCLUSIVE)
    if not unseen:
        return f"no change of {threshold} or more in {len(judged)} rows"
    return f"no change shown; {unseen} of {len(judged)} rows could not have shown {threshold}"


def summary(diff: Diff) -> str:
    """Return the counts of a diff in one line."""
    order = (Verdict.REGRESSED, Verdict.IMPROVED, Verdict.UNCHANGED, Verdict.INCONCLUSIVE)
    counts = [f"threshold {percent(diff.rule.threshold)}"]
    counts += [f"{diff.count(verdict)} {verdict}" for verdict in order]
    for verdict in order[:2]:
        groups = sum(group.verdict is verdict for group in diff.groups)
        counts += [f"{groups} {'group' if groups == 1 else 'groups'} {verdict}"] if groups else []
    counts += [f"{len(lines)} {title}" for title, lines in changes(diff)]
    return " · ".join(counts)


def objection(diff: Diff, detect: float | None) -> str:
    """Return what `--strict` minds, in one line."""
    doubts = len(undecided(diff, detect))
    text = "inconclusive" if detect is None else f"could not have shown {percent(detect)}"
    counts = {text: doubts, "newly skipped": len(diff.newly_skipped), "removed": len(diff.removed)}
    return "--strict: " + ", ".join(f"{count} {name}" for name, count in counts.items() if count)


def blocks(diff: Diff) -> list[Block]:
    """Return the rows by all but shape and backend, what regressed first."""
    rows = [row for row in diff.comparisons if not diff.only_changed or _changed(row)]
    return _worst_first(rows, lambda row: group_title(row.benchmark.case))


def left_out(diff: Diff) -> str:
    """Return how many rows a table of changes leaves out; empty where it leaves out none."""
    hidden = [row.verdict or CONTROL for row in diff.comparisons if not _changed(row)]
    if not diff.only_changed or not hidden:
        return ""
    counts = [f"{hidden.count(kind)} {kind}" for kind in dict.fromkeys(sorted(hidden))]
    return f"not shown: {', '.join(counts)}"


def _changed(row: Comparison) -> bool:
    return row.verdict in (Verdict.REGRESSED, Verdict.IMPROVED)


def shapes(rows: Iterable[Comparison]) -> list[Block]:
    """Return the rows of a block by shape, the largest regression first and the control last."""
    ranked = sorted(rows, key=lambda row: (_rank(row), -_size(row)))
    return _worst_first(ranked, lambda row: shape_text(row.benchmark.case.shape))


def group_blocks(diff: Diff) -> list[tuple[str, list[BackendGroup]]]:
    """Return the groups that are judged by all but their backend, what changed first."""
    judged = sorted((group for group in diff.groups if group.verdict is not None), key=_rank)
    return _worst_first(judged, title_of)


def reading(one: GroupReading | None) -> str:
    """Return the ratio of one reading with its interval; a dash where there is none."""
    return ratio(one.ratio) if one else ABSENT


def group_line(group: BackendGroup) -> str:
    """Return what the readings of a group show, in one line."""
    texts = [f"candidate ÷ baseline is {reading(group.absolute)}"]
    if group.relative:
        texts.append(f"{reading(group.relative)} against the rest of its passes")
    return f"{', '.join(texts)}, over {group.rows} rows"


def group_note(diff: Diff) -> str:
    """Return why groups have no relative reading; empty where they have, or none is judged."""
    judged = [group for group in diff.groups if group.absolute]
    if not judged or diff.drift is None or any(group.relative for group in judged):
        return ""
    if len(judged) < FEWEST_GROUPS:
        return (
            f"{len(judged)} groups are too few to control each other: judged by their times alone"
        )
    return "many groups changed together, so the rest is no control: judged by their times alone"


def unproven(diff: Diff) -> list[tuple[str, str]]:
    """Return the rows that moved in every pass and are not proven, the largest move first."""
    rows = sorted(
        (row for row in diff.comparisons if row.unproven),
        key=lambda row: -abs(math.log(row.ratio.value)),
    )
    return [
        (
            row.benchmark.id,
            f"{number(row.ratio.value)} {_times(row)}: {row.reason}",
        )
        for row in rows
    ]


def _times(row: Comparison) -> str:
    return f"({format_time(row.baseline.value)} → {format_time(row.candidate.value)})"


def drifted(diff: Diff) -> str:
    """Return that two hours cannot be compared, where drift hides the threshold; else empty."""
    if diff.drift is None or diff.rule.drift < diff.rule.limit or not diff.comparisons:
        return ""
    apart = [
        f"{regime} by {percent(math.expm1(tau))}"
        for regime, tau in diff.drift.by_regime.items()
        if tau >= diff.rule.limit
    ]
    return (
        f"these two hours cannot be compared at {percent(diff.rule.threshold)}: the copy moved in "
        f"{', '.join(apart)}; use lnbench ab, which measures both sides in one session"
    )


def means(diff: Diff) -> list[tuple[str, str]]:
    """Return geometric means of the ratios: a title, and the backends with theirs."""
    titles = grouped((group for group in diff.groups if group.verdict is None), title_of)
    return [
        (title, " · ".join(f"{group.backend} {number(group.ratio)}" for group in groups))
        for title, groups in titles.items()
    ]


def title_of(group: BackendGroup) -> str:
    """Return what a group is, but for its backend."""
    return f"{group.operation} · {group.direction} · {group.dtype} · {group.device_type}"


def changes(diff: Diff) -> list[tuple[str, list[str]]]:
    """Return what only one side measured: a title, and a line for each benchmark."""
    failures = {
        "newly failing": diff.newly_failing,
        "failing on both sides": diff.still_failing,
        "newly skipped": diff.newly_skipped,
    }
    lines = {
        title: [f"{change.benchmark.id} – {one_line(change.detail)}" for change in members]
        for title, members in failures.items()
    }
    lines["removed"] = [benchmark.id for benchmark in diff.removed]
    lines["added"] = [benchmark.id for benchmark in diff.added]
    return [(title, texts) for title, texts in lines.items() if texts]


def ratio(estimate: Estimate) -> str:
    """Return a ratio with its interval: '1.15 [1.12, 1.18]'."""
    low = number(estimate.low) if math.isfinite(estimate.high) else ABSENT
    return f"{number(estimate.value)} [{low}, {number(estimate.high)}]"


def number(value: float) -> str:
    """Return a ratio with two decimals, or three figures where that says too little or too much."""
    if not math.isfinite(value):
        return ABSENT
    return f"{value:.2f}" if _TENTH <= value < _TEN else significant(value, 3)


def note(row: Comparison) -> str:
    """Return the next step and the caveats of a row in one line."""
    caveats = (
        f"{caveat.kind}: {one_line(caveat.detail)}" if caveat.detail else caveat.kind.value
        for caveat in row.caveats
        if caveat.kind not in _OF_ALL_ROWS
    )
    return " · ".join(filter(None, (row.reason, *caveats)))


def _side(side: Side) -> str:
    """Return where a side's numbers come from: '1a2b3c4 · 2026-11-23 12:00 UTC · quick'."""
    begun = [f"{date.astimezone(UTC):%Y-%m-%d %H:%M}" for date in side.created]
    when = f"{begun[0]} UTC" if len(begun) == 1 else f"{begun[0]} to {begun[-1]} UTC"
    commits = [commit[:_HASH_DIGITS] + "+" * commit.endswith("+") for commit in side.commits]
    count = "1 report" if len(begun) == 1 else f"{len(begun)} reports"
    spread = f"up to {side.passes} pairs" if side.text else f"{count} of {side.passes} passes"
    parts = (side.text, ", ".join(commits), when, ", ".join(side.suites), spread)
    return one_line(" · ".join(filter(None, parts)))


def _rank(row: Comparison | BackendGroup) -> int:
    return len(_RANK) if row.verdict is None else _RANK[row.verdict]


def _worst_first(
    rows: Iterable[Judged], title: Callable[[Judged], str]
) -> list[tuple[str, list[Judged]]]:
    blocks = grouped(rows, title)
    return sorted(
        blocks.items(), key=lambda block: min((_rank(row), -_size(row)) for row in block[1])
    )


def _size(row: Comparison | BackendGroup) -> float:
    """Return how large a change is that is shown; 0 for a row that shows none."""
    ratio = row.ratio.value if isinstance(row, Comparison) else row.ratio
    shown = row.verdict in (Verdict.REGRESSED, Verdict.IMPROVED)
    return abs(math.log(ratio)) if shown and 0 < ratio < math.inf else 0.0
