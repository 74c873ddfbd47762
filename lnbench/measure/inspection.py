"""Benchmarks in, findings out: each verified once in a worker of its own, nothing timed."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack

import msgspec

from lnbench.measure import messages, shared
from lnbench.measure.crew import WorkerError
from lnbench.measure.home import Home, settle
from lnbench.measure.messages import Finding, Traits
from lnbench.measure.pass_workers import PassWorkers
from lnbench.measure.visit import Setting
from lnbench.plan.case import Benchmark
from lnbench.record.outcome import Failed, Outcome, Skipped


class Checked(msgspec.Struct, frozen=True):
    """What checking one benchmark showed."""

    benchmark: Benchmark
    """What was checked."""
    findings: tuple[Finding, ...] = ()
    """One entry a set of inputs, the case's own first; none where the benchmark could not run."""
    traits: Traits = Traits()
    """What the bits of its outputs depend on."""
    skipped: str = ""
    """Why it cannot run here; empty where it did."""
    error: str = ""
    """The last words of a worker that ended before it had answered."""

    @property
    def failed(self) -> bool:
        """Whether results were wrong beyond what is known of a peer, or the worker ended."""
        return bool(self.error) or any(each.error and not each.tolerable for each in self.findings)


def inspect(
    benchmarks: Sequence[Benchmark],
    setting: Setting,
    unable: Iterable[Outcome] = (),
    *,
    spawn: bool = False,
) -> Iterator[Checked]:
    """Yield what each benchmark showed, in the order given."""
    known = {outcome.benchmark: outcome for outcome in unable}
    names = tuple(sorted({each.backend for each in benchmarks if each not in known}))
    with ExitStack() as stack:
        folder = stack.enter_context(shared.folder(0))
        home: Home = setting.ground
        if not spawn and names:
            (home,) = settle(names, (setting.ground,), stack)
        workers = stack.enter_context(PassWorkers({"": home}, {"": setting.ground}, folder))
        for benchmark in benchmarks:
            outcome = known.get(benchmark)
            if isinstance(outcome, Skipped):
                yield Checked(benchmark, skipped=outcome.reason)
            elif isinstance(outcome, Failed):
                yield Checked(benchmark, error=outcome.error)
            else:
                yield _inspect(benchmark, setting, workers)


def _inspect(benchmark: Benchmark, setting: Setting, workers: PassWorkers) -> Checked:
    if refusal := setting.room(benchmark.case, 1).refusal:
        return Checked(benchmark, skipped=refusal)
    limit = setting.memory_bytes if benchmark.case.device_type == "cpu" else None
    request = messages.Check(benchmark, setting.seed, setting.threads, limit)
    try:
        with workers.lent("", benchmark.backend, benchmark.case) as worker:
            checked = worker.ask(request, messages.Checked, setting.budget.timeout_s)
    except WorkerError as error:
        if error.refused is not None and error.refused.unsupported:
            return Checked(benchmark, skipped=str(error))
        return Checked(benchmark, error=str(error))
    return Checked(benchmark, checked.findings, checked.traits)
