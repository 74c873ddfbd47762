"""Benchmarks in, findings out: each verified once in a worker of its own, nothing timed."""

from collections.abc import Iterator
from pathlib import Path

import msgspec

from lnbench import activity, registry
from lnbench.measure import messages, shared
from lnbench.measure.messages import Finding, Traits
from lnbench.plan.case import Benchmark, shape_text
from lnbench.record.outcome import Failed, Skipped
from lnbench.session.selection import Selection
from lnbench.session.setting import Setting
from lnbench.session.single_pass import workers_of
from lnbench.workers.handle import WorkerError
from lnbench.workers.pass_workers import Home, PassWorkers


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
    with workers_of(selection, rows) as (workers, folder):
        for number, benchmark in enumerate(selection.benchmarks):
            outcome = known.get(benchmark)
            if isinstance(outcome, Skipped):
                yield BenchmarkCheck(benchmark, skipped=outcome.reason)
            elif isinstance(outcome, Failed):
                yield BenchmarkCheck(benchmark, error=outcome.error)
            else:
                yield _inspect(benchmark, selection.setting, workers, folder / f"case-{number}")
                shared.clear(folder / f"case-{number}")


def _inspect(
    benchmark: Benchmark, setting: Setting, workers: PassWorkers, folder: Path
) -> BenchmarkCheck:
    if reason := setting.fit(benchmark.case, 1).reason:
        return BenchmarkCheck(benchmark, skipped=reason)
    limit = setting.memory_bytes if benchmark.case.device_type == "cpu" else None
    where, results, limit_s = str(folder), str(folder / "results"), setting.budget.timeout_s
    make = messages.MakeInputs(benchmark.case, setting.seed, where, truth=False)
    request = messages.Check(benchmark, setting.seed, where, results, setting.threads, limit)
    home = Home("", registry.owner(benchmark.backend))
    try:
        case = benchmark.case
        what = f"{benchmark.backend} {shape_text(case.shape)} {case.dtype} {case.direction}"
        with activity.doing(f"checking {what}"):
            workers.referee.ask(make, messages.InputsMade, limit_s)
            with workers.lent(home, benchmark.backend, benchmark.case) as worker:
                checked = worker.ask(request, messages.Checked, limit_s)
        compare = messages.CompareSets(
            benchmark, setting.seed, where, results, checked.row, checked.sums
        )
        compared = workers.referee.ask(compare, messages.Checked, limit_s)
    except WorkerError as error:
        if error.refused is not None and error.refused.unsupported:
            return BenchmarkCheck(benchmark, skipped=str(error))
        return BenchmarkCheck(benchmark, error=str(error))
    findings = {**compared.findings, **checked.findings}
    ordered = tuple(findings[number] for number in sorted(findings))
    return BenchmarkCheck(benchmark, ordered, checked.traits)
