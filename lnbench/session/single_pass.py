"""The workers of a single pass: of `check` and `profile`, which repeat nothing."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lnbench import activity, registry
from lnbench.measure import shared
from lnbench.plan.case import Benchmark
from lnbench.session.selection import Selection
from lnbench.workers.launcher import Launcher, start_nurseries
from lnbench.workers.pass_workers import Home, PassWorkers, RefereeProcess


@contextmanager
def workers_of(
    selection: Selection, rows: Sequence[Benchmark]
) -> Iterator[tuple[PassWorkers, Path]]:
    """Yield the workers of rows, those of plug-ins apart, and a folder for arrays; both go."""
    names = sorted({row.backend for row in rows})
    operations = sorted({row.case.operation for row in rows})
    interpreter = selection.interpreters[""]
    with ExitStack() as stack:
        folder = stack.enter_context(shared.folder(0))
        homes = {Home("", registry.owner(name)): {name} for name in names} | {Home(): set()}
        for name in names:
            homes[Home("", registry.owner(name))].add(name)
        wanted = [(interpreter, sorted(backends)) for backends in homes.values()]
        launchers: Sequence[Launcher] = [interpreter] * len(wanted)
        if names and not selection.spawn:
            with activity.doing("loading backends"):
                launchers = start_nurseries(wanted, operations, stack)
        started = dict(zip(homes, launchers, strict=True))
        referee = RefereeProcess(started[Home()], interpreter, folder)
        stack.callback(referee.close)
        yield (
            stack.enter_context(PassWorkers(started, {"": interpreter}, folder, referee)),
            folder,
        )
