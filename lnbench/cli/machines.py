"""Reports of several machines: side by side, or joined by the kind of machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import typer

from lnbench.cli import diff, formats, paths
from lnbench.errors import ConfigError, ExitCode, ReportError
from lnbench.plan.flags import ClusterAbFlags, DiffFlags

if TYPE_CHECKING:
    from lnbench.cli.verdict_options import Levels
    from lnbench.judge.nodes import NodesDiff
    from lnbench.record.report import Report
    from lnbench.render.sheet import View

_WORST = (
    ExitCode.FAILED,
    ExitCode.REGRESSED,
    ExitCode.UNDECIDED,
    ExitCode.FINE,
    ExitCode.NOTHING,  # where another kind shows something
)


def show_machines(names: Sequence[str], format_: str, output: Path | None) -> None:
    """Show the rows of all reports with a column a kind of machine."""
    from lnbench.record.report import ComparisonReport
    from lnbench.render.machines import machines_view

    reports = [report for name in names for report in read(paths.named(name))]
    if any(isinstance(report, ComparisonReport) for report in reports):
        hint = "lnbench cluster ab --resume FOLDER judges a folder of them"
        raise ReportError("--by machine: a report of ab has two sides", hint)
    formats.show_view(machines_view(reports), format_, output)


def by_kind(reports: "Sequence[Report]") -> "dict[str, list[Report]]":
    """Return reports by the name of their kind of machine."""
    from lnbench.record.kind import kind, names

    kinds = [kind(report.environment) for report in reports]
    called = names(kinds)
    found: dict[str, list[Report]] = {}
    for report, own in zip(reports, kinds, strict=True):
        found.setdefault(called[own], []).append(report)
    return found


def read(files: Sequence[Path]) -> "list[Report]":
    """Return reports with one sample a pass; those of ab whole."""
    from lnbench.record.medians import read_medians

    return [read_medians(path) for path in files]


def show_diffs(
    diffs: "dict[str, NodesDiff]", levels: "Levels", flags: "DiffFlags | ClusterAbFlags"
) -> ExitCode:
    """Show what changed on each kind of machine, one after the other; return the worst code."""
    from lnbench.judge.diff import exit_code

    output = flags.report if isinstance(flags, DiffFlags) else None
    if flags.format in ("json", "html"):
        formats.write(_page(diffs) if flags.format == "html" else _data(diffs), output)
    elif output is not None:
        raise ConfigError("--output: of several kinds of machine json and html write a file")
    else:
        for name, one in diffs.items():
            typer.echo(f"\n{name}")
            diff.show(one.diff, flags.format)
            if one.by_node and flags.format != "github":
                formats.show_view(_beside(one), flags.format)
    codes = {exit_code(d.diff, strict=flags.strict, detect=levels.detect) for d in diffs.values()}
    return min(codes, key=_WORST.index)


def _beside(one: "NodesDiff") -> "View":
    """Return what the nodes show by themselves."""
    from lnbench.render.machines import by_node_sheet
    from lnbench.render.sheet import View

    return View((), (by_node_sheet(one.by_node),), None)


def _page(diffs: "dict[str, NodesDiff]") -> str:
    from lnbench.render.diff_view import diff_view
    from lnbench.render.page import page

    views = []
    for name, one in diffs.items():
        view, more = diff_view(one.diff), _beside(one).sheets if one.by_node else ()
        sheets = (*view.sheets, *more)
        views.append(msgspec.structs.replace(view, head=(name, *view.head), sheets=sheets))
    return page(views)


def _data(diffs: "dict[str, NodesDiff]") -> str:
    from lnbench.render.diff import diff_json
    from lnbench.render.forms import json_text
    from lnbench.render.machines import by_node_data

    machines = [
        {
            "machine": name,
            "diff": msgspec.Raw(diff_json(one.diff).encode()),
            "by_node": by_node_data(one.by_node),
        }
        for name, one in diffs.items()
    ]
    return json_text({"kind": "machines", "machines": machines})
