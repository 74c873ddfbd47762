"""Benchmarks in, findings out: each verified once in a worker of its own, nothing timed."""

from collections.abc import Iterator
from contextlib import ExitStack

import msgspec

from lnbench.measure import messages, shared
from lnbench.measure.messages import Finding, Traits
from lnbench.plan.case import Benchmark
from lnbench.record.outcome import Failed, Skipped
from lnbench.session.block import Setting
from lnbench.session.selection import Selection
from lnbench.workers.handle import WorkerError
from lnbench.workers.launcher import Launcher, start_nurseries
from lnbench.workers.pass_workers import PassWorkers


class BenchmarkCheck(msgspec.Struct, frozen=True):
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
        """Whether results were wrong beyond what is known of a backend, or the worker ended."""
        wrong = (finding.error and not finding.tolerable for finding in self.findings)
        return bool(self.error) or any(wrong)


def inspect(selection: Selection) -> Iterator[BenchmarkCheck]:
    """Yield what each benchmark showed, in the order of the selection."""
    known = {outcome.benchmark: outcome for outcome in selection.unable}
    rows = [row for row in selection.benchmarks if row not in known]
    names = sorted({row.backend for row in rows})
    operations = sorted({row.case.operation for row in rows})
    interpreter = selection.interpreters[""]
    with ExitStack() as stack:
        folder = stack.enter_context(shared.folder(0))
        launcher: Launcher = interpreter
        if names and not selection.spawn:
            (launcher,) = start_nurseries(names, operations, (interpreter,), stack)
        workers = stack.enter_context(PassWorkers({"": launcher}, {"": interpreter}, folder))
        for benchmark in selection.benchmarks:
            outcome = known.get(benchmark)
            if isinstance(outcome, Skipped):
                yield BenchmarkCheck(benchmark, skipped=outcome.reason)
            elif isinstance(outcome, Failed):
                yield BenchmarkCheck(benchmark, error=outcome.error)
            else:
                yield _inspect(benchmark, selection.setting, workers)


def _inspect(benchmark: Benchmark, setting: Setting, workers: PassWorkers) -> BenchmarkCheck:
    if reason := setting.fit(benchmark.case, 1).reason:
        return BenchmarkCheck(benchmark, skipped=reason)
    limit = setting.memory_bytes if benchmark.case.device_type == "cpu" else None
    request = messages.Check(benchmark, setting.seed, setting.threads, limit)
    try:
        with workers.lent("", benchmark.backend, benchmark.case) as worker:
            checked = worker.ask(request, messages.Checked, setting.budget.timeout_s)
    except WorkerError as error:
        if error.refused is not None and error.refused.unsupported:
            return BenchmarkCheck(benchmark, skipped=str(error))
        return BenchmarkCheck(benchmark, error=str(error))
    return BenchmarkCheck(benchmark, checked.findings, checked.traits)
