"""`lnbench cluster`: the same session on every node of a Ray cluster, one report a node."""

import contextlib
import shlex
import signal
import threading
import time
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from lnbench.cli import formats, options, verdict_options
from lnbench.errors import ConfigError, ExitCode
from lnbench.plan.flags import AbFlags, ClusterAbFlags, ClusterFlags, ClusterRunFlags, RunFlags

if TYPE_CHECKING:
    from lnbench.cli.live import Line
    from lnbench.cluster.driver import Driver
    from lnbench.cluster.standing import Standing

cluster_app = typer.Typer(
    help="Measure on every node of a Ray cluster, one report a node.", no_args_is_help=True
)

_NODES = "The cluster"
_OPTIONS = {
    "address": typer.Option(
        envvar="LNBENCH_ADDRESS",
        help="Ray's address: auto, HOST:PORT or ray://HOST:PORT.",
        rich_help_panel=_NODES,
    ),
    "nodes": typer.Option(
        "--nodes",
        envvar="LNBENCH_NODES",
        help="all, or LABEL=VALUE of Ray's node labels; repeat, or use commas.",
        rich_help_panel=_NODES,
        show_default="all",
    ),
    "shard": typer.Option(
        "--shard",
        envvar="LNBENCH_SHARD",
        help="Have nodes of one kind share the cases out, each case wholly on one node.",
        rich_help_panel=_NODES,
    ),
    "report": typer.Option(
        "--output",
        "-o",
        envvar="LNBENCH_OUTPUT",
        help="The folder of reports; default: reports/cluster-<UTC time>.",
        show_default=False,
    ),
    "resume": typer.Option(
        envvar="LNBENCH_RESUME",
        help="Go on with a folder of reports, each on the machine that began it.",
        show_default=False,
    ),
    "force": None,  # a folder is never written over
}
_FOR_PEOPLE = ("table", "markdown")
"""Formats in which a table of nodes may stand before what they show."""

_LINES = 6
"""Lines of a terminal that are not for nodes."""

_TOTALS_S = 30.0
"""Seconds between two lines that say how far all nodes are, where no terminal is."""


@cluster_app.command("run")
@options.command(**_OPTIONS)
def cluster_run_command(flags: ClusterRunFlags) -> None:
    """Measure a suite on every node, each taken whole; write one report a node into a folder."""
    formats.check_format(flags.format)
    _, code = _measured(flags, RunFlags, shard=flags.shard)
    raise typer.Exit(code)


@cluster_app.command("ab")
@options.command(
    **_OPTIONS,
    format=verdict_options.FORMAT,
    columns=verdict_options.COLUMNS,
    time=verdict_options.PAIR_TIME,
)
def cluster_ab_command(flags: ClusterAbFlags) -> None:
    """Compare two sides on every node, and judge them by node: for the kind of machine, not one."""
    from lnbench.cli import machines
    from lnbench.judge.nodes import compare_nodes
    from lnbench.record.kind import by_kind
    from lnbench.record.report import read

    levels = verdict_options.levels(flags.threshold, flags.alpha, flags.detect, flags.format)
    if not flags.candidate:
        hint = "lnbench cluster ab numpy ./kernel.py, or two backends"
        raise ConfigError(f"'{flags.baseline}' is one side, and ab compares two", hint)
    machines.check(flags)
    path, code = _measured(flags, AbFlags)
    diffs = {
        kind: compare_nodes(reports, threshold=levels.threshold, alpha=levels.alpha)
        for kind, reports in by_kind(map(read, sorted(path.glob("*.json")))).items()
    }
    shown = machines.show_diffs(diffs, levels, flags) if diffs else code
    # A node that failed goes before what the others show.
    raise typer.Exit(code if code is not ExitCode.FINE else shown)


def _measured(
    flags: ClusterFlags, kind: type[RunFlags | AbFlags], *, shard: bool = False
) -> tuple[Path, ExitCode]:
    """Measure on all nodes and show how they fared; return the folder, and what they deserve."""
    from lnbench.cli.again import spelled
    from lnbench.cli.live import Line
    from lnbench.cluster.connection import connected
    from lnbench.cluster.driver import Driver
    from lnbench.cluster.errand import errand, packed
    from lnbench.cluster.folder import Folder
    from lnbench.cluster.standing import State
    from lnbench.cluster.view import summary_view

    there, sent = packed(flags)
    if flags.resume is not None and flags.report not in (None, flags.resume):
        raise ConfigError("--resume goes on in place and takes no --output")
    path = flags.resume or flags.report
    path = path or Path("reports") / f"cluster-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}"
    asked = errand(spelled(there, kind), sent, flags.threads)
    labels = [part.strip() for text in flags.nodes for part in text.split(",")]
    folder = Folder(path, resume=flags.resume is not None)
    with Line(quiet=flags.quiet) as line, connected(flags.address, labels) as cluster:
        if flags.dry_run:
            line.end()
            for node in cluster.nodes:
                typer.echo(f"on node {node.id}: {node.cpus:g} CPUs, {node.gpus:g} GPUs", err=True)
            typer.echo(f"lnbench {shlex.join(asked.words)}", err=True)
            raise typer.Exit
        driver = Driver(cluster, folder, asked, shard=shard)
        interrupted = _followed(driver, line)
    standings = driver.standings.values()
    if not flags.quiet:
        if kind is RunFlags or flags.format in _FOR_PEOPLE:
            formats.show_view(summary_view(standings), flags.format)
        typer.echo(f"reports: {path}", err=True)
    if interrupted or not folder.whole or any(each.state is State.FAILED for each in standings):
        typer.echo(f"go on with: --resume {path}", err=True)
    code = ExitCode.INTERRUPTED if interrupted else _code(standings, whole=folder.whole)
    return path, code


def _followed(driver: "Driver", line: "Line") -> bool:
    """Show how nodes stand until all are done; return whether Ctrl-C ended them."""
    shown = _Shown(line)
    with _signals() as ended:
        for _ in driver.run():
            if ended.is_set() and not driver.stopped:
                typer.echo("interrupted: the sessions of all nodes are ended", err=True)
                driver.stop()
            shown.show(driver.standings.values())
    return driver.stopped


@contextlib.contextmanager
def _signals() -> Iterator[threading.Event]:
    """Yield what the first Ctrl-C sets; the second one interrupts as ever.

    The first must not break what Ray or a file is in the middle of.
    """
    ended = threading.Event()

    def handle(*_: object) -> None:
        if ended.is_set():
            raise KeyboardInterrupt
        ended.set()

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    kept = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield ended
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


class _Shown:
    """All nodes on one screen; elsewhere a line for each that begins or ends."""

    def __init__(self, line: "Line") -> None:
        self._line, self._states = line, dict[str, str]()
        self._said_s = time.monotonic()

    def show(self, standings: "Collection[Standing]") -> None:
        """Show how nodes stand."""
        from lnbench.cluster.standing import State
        from lnbench.cluster.view import counts, live_sheet
        from lnbench.render.sheet import View
        from lnbench.render.table import view_table

        line = self._line
        if line.live is not None:
            line.where = counts(standings)
            line.share = sum(each.over for each in standings) / len(standings)
            room = max(1, line.console.height - _LINES)
            line.above = view_table(View((), (live_sheet(standings, room),), None))
            line.draw()
            return
        for each in standings:
            if self._states.get(each.node.id, State.WAITING) != each.state:
                self._states[each.node.id] = each.state
                words = f": {each.words}" if each.over and each.words else ""
                line.say(f"{each.node.id[:8]} {each.machine or 'node'} {each.state}{words}")
        if time.monotonic() - self._said_s > _TOTALS_S:
            self._said_s = time.monotonic()
            line.say(counts(standings))


def _code(standings: "Collection[Standing]", *, whole: bool) -> ExitCode:
    """Return what the nodes deserve: a failure of a node or a row, nothing measured, or fine.

    A part that no node has gone on with is missing, however well the others did.
    """
    from lnbench.cluster.standing import State

    if not any(each.rows[0] for each in standings):
        return ExitCode.NOTHING
    failed = any(each.state is State.FAILED or each.rows[2] for each in standings)
    return ExitCode.FAILED if failed or not whole else ExitCode.FINE
