"""One benchmark in, what a profiler sees of it out: verified first, in a worker of its own."""

import random
from contextlib import ExitStack

from lnbench import activity
from lnbench.measure.profile_messages import Profile, Profiled
from lnbench.plan.case import Benchmark
from lnbench.record.outcome import Failed, Skipped, Stage
from lnbench.session.block import Block
from lnbench.session.guard import Guard
from lnbench.session.ledger import Ledger
from lnbench.session.selection import Selection
from lnbench.session.single_pass import workers_of


def profile(
    selection: Selection, benchmark: Benchmark, request: Profile
) -> Profiled | Skipped | Failed:
    """Return what is seen of a benchmark of a selection, or why nothing is."""
    known = {outcome.benchmark: outcome for outcome in selection.unable}
    if benchmark in known:
        return known[benchmark]
    setting, row = selection.setting, Ledger(benchmark)
    if reason := setting.fit(benchmark.case, 1).reason:
        return Skipped.of(benchmark, reason=reason)
    with workers_of(selection, [benchmark]) as (workers, folder), ExitStack() as stack:
        block = Block(setting, [row], workers, folder / "case", random.Random(setting.seed))  # noqa: S311
        if block.make_inputs(truth=True) and (taker := block.ready(row, stack)):
            with Guard(row, Stage.MEASURE), activity.doing(f"profiling {benchmark.id}"):
                return taker.worker.ask(request, Profiled, setting.budget.timeout_s)
    return row.ended or Failed.of(benchmark, stage=Stage.MEASURE, error="no answer")
