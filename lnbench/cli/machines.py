"""What several kinds of machine show, each by itself."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
import typer

from lnbench.cli import diff, formats
from lnbench.errors import ConfigError, ExitCode
from lnbench.plan.flags import ClusterAbFlags, DiffFlags

if TYPE_CHECKING:
    from lnbench.cli.verdict_options import Levels
    from lnbench.judge.nodes import NodesDiff
    from lnbench.record.kind import Kind

_WORST = (ExitCode.FAILED, ExitCode.REGRESSED, ExitCode.UNDECIDED, ExitCode.FINE, ExitCode.NOTHING)


def check(flags: DiffFlags | ClusterAbFlags) -> None:
    """Raise ConfigError for what several kinds of machine cannot be shown with."""
    diff.chosen(flags.columns, wide=flags.wide)
    if flags.format == "html":
        raise ConfigError("--format html shows one kind of machine", "name the reports of one")
    if isinstance(flags, DiffFlags) and flags.report is not None:
        raise ConfigError("--output holds one kind of machine", "name the reports of one, or use >")


def show_diffs(
    diffs: "Mapping[Kind, NodesDiff]", levels: "Levels", flags: DiffFlags | ClusterAbFlags
) -> ExitCode:
    """Show what changed on each kind of machine, one after the other; return the worst code."""
    from lnbench.judge.diff import exit_code
    from lnbench.record.kind import called
    from lnbench.render.diff import diff_json
    from lnbench.render.forms import json_text
    from lnbench.render.machines import by_node_data, by_node_sheet
    from lnbench.render.sheet import View

    check(flags)
    choice = diff.chosen(flags.columns, wide=flags.wide)
    data = []
    quiet = isinstance(flags, ClusterAbFlags) and flags.quiet
    names = {} if quiet else called(diffs)
    for kind, name in names.items():
        one, by_node = diffs[kind].diff, diffs[kind].by_node
        one = msgspec.structs.replace(one, only_changed=flags.only_changed)
        if flags.format == "json":
            raw = msgspec.Raw(diff_json(one).encode())
            data.append({"machine": name, "diff": raw, "by_node": by_node_data(by_node)})
            continue
        typer.echo(f"\n{name}")
        diff.show(one, flags.format, choice=choice)
        if by_node and flags.format != "github":
            formats.show_view(View((), (by_node_sheet(by_node),), None), flags.format)
    if data:
        typer.echo(json_text({"kind": "machines", "machines": data}), nl=False)
    codes = {
        exit_code(each.diff, strict=flags.strict, detect=levels.detect) for each in diffs.values()
    }
    return min(codes, key=_WORST.index)
