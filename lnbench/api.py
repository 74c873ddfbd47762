"""lnbench from Python and notebooks: measure functions, check them, read reports.

    import lnbench

    report = lnbench.run({"mine": my_norm, "eager": "torch-eager"}, shape=(4096, 1024))
    report.rows()

A function is run in workers, as a file is by `lnbench run -b ./my_kernel.py`.
"""

import contextlib
import io
import operator
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from lnbench import functions, registry
from lnbench.errors import LnbenchError
from lnbench.plan.flags import CheckFlags, RunFlags, WorkerFlags
from lnbench.record import report as reports

if TYPE_CHECKING:
    from rich.console import RenderableType

    from lnbench.session.check import BenchmarkCheck

Backend: TypeAlias = str | Callable[..., Any]
"""The name of a backend, the path of a kernel's file, or a function, callable or module class."""

Backends: TypeAlias = Mapping[str, Backend] | Iterable[Backend] | Backend
"""One backend, several, or several by the name that they are to have."""

Values: TypeAlias = str | Iterable[str] | None
"""Values of an axis: one, several, or None for those of the suite."""

Shape: TypeAlias = Sequence[int] | Iterable[Sequence[int] | str] | str | None
"""Sizes such as (4096, 1024), a model's such as "llama-3-8b:prefill", or several of such."""

_INTERRUPTED = "interrupted: the report holds what was measured by then"

_Flags = TypeVar("_Flags", bound=WorkerFlags)


class _Shown:
    """What a notebook shows as a table, and a terminal as text."""

    def _form(self) -> "RenderableType":
        raise NotImplementedError

    def __repr__(self) -> str:
        """Return what the command prints."""
        console = _console(width=100)
        console.print(self._form())
        return str(console.export_text()).rstrip("\n")

    def _repr_html_(self) -> str:
        """Return the same as HTML, every text in it escaped."""
        console = _console(width=140)
        console.print(self._form())
        return str(console.export_html(inline_styles=True, code_format="<pre>{code}</pre>"))


class Report(_Shown):
    """What a run measured."""

    def __init__(self, record: reports.Report, names: Mapping[str, str] | None = None) -> None:
        self.record = record
        """The report as its file has it."""
        self._names = dict(names or {})

    def rows(self) -> list[dict[str, Any]]:
        """Return one plain dictionary a benchmark; seconds, bytes a second and shares are floats.

        What was not measured has None there, and the reason under `error`.
        """
        from lnbench.judge import summary

        return [self._row(row) for row in summary.rows(self.record)]

    def to_pandas(self) -> Any:
        """Return `rows` as a pandas.DataFrame; LnbenchError where pandas is not installed."""
        try:
            import pandas as pd
        except ImportError:
            raise LnbenchError("pandas is not installed", "pip install pandas") from None
        return pd.DataFrame(self.rows())

    def save(self, path: str | Path) -> Path:
        """Write the report to a file, for `lnbench show`, `lnbench diff` and `lnbench.read`."""
        reports.write(self.record, Path(path))
        return Path(path)

    def _row(self, row: Any) -> dict[str, Any]:
        case, time = row.benchmark.case, row.time
        share, name = row.share_of_copy, row.benchmark.backend
        return {
            "name": self._names.get(name, name),
            "operation": case.operation,
            "direction": str(case.direction),
            "shape": case.shape,
            "dtype": str(case.dtype),
            "device": case.device,
            "backend": name,
            "options": dict(case.options.differing()),
            "side": row.outcome.side,
            "status": str(row.outcome.__struct_config__.tag),
            "time_s": time and time.value,
            "low_s": (time and time.low) or None,
            "high_s": time.high if time and time.low else None,
            "passes": row.passes,
            "bytes_per_s": row.bandwidth,
            "share_of_copy": share and share.value,
            "best": row.best,
            "caveats": [str(caveat.kind) for caveat in row.caveats],
            "error": getattr(row.outcome, "error", getattr(row.outcome, "reason", "")),
        }

    def _form(self) -> "RenderableType":
        from lnbench.cli.formats import usual
        from lnbench.judge import summary
        from lnbench.render.forms import table
        from lnbench.render.rows import report_view

        beside = usual(self.record)
        rows = summary.rows(self.record, beside) if self.record.outcomes else ()
        return table(report_view(self.record, rows, "", "time", beside))


class Checks(_Shown):
    """What checking showed."""

    def __init__(self, checks: "Sequence[BenchmarkCheck]") -> None:
        self.checks = tuple(checks)
        """One entry a benchmark."""

    @property
    def ok(self) -> bool:
        """Whether something was checked, and nothing was wrong."""
        checked = [check for check in self.checks if check.findings]
        return bool(checked) and not any(check.failed for check in self.checks)

    def rows(self) -> list[dict[str, Any]]:
        """Return one plain dictionary a benchmark, with what is wrong in words."""
        from lnbench.render.checks import words

        return [
            {
                "benchmark": check.benchmark.id,
                "backend": check.benchmark.backend,
                "right": bool(check.findings) and not check.failed,
                "skipped": check.skipped,
                "wrong": list(words(check)) if not check.skipped else [],
            }
            for check in self.checks
        ]

    def _form(self) -> "RenderableType":
        from lnbench.render.checks import check_view
        from lnbench.render.forms import table

        return table(check_view(self.checks))


def run(
    backends: Backends,
    suite: str = "quick",
    *,
    shape: Shape = None,
    operation: Values = None,
    direction: Values = None,
    dtype: Values = None,
    device: Values = None,
    cache: Values = None,
    outputs: Values = None,
    save: str | Path | None = None,
    quiet: bool = False,
    framework: str = "",
    **budget: Any,
) -> Report:
    """Measure backends, and functions as backends, and return the report.

    An axis that is said replaces that axis of the suite, as a flag of `lnbench run` does. Ctrl-C
    returns what was measured by then. A kernel that is wrong or raises is a failed row.
    docs/your-kernel.md goes through it.

    Args:
        backends: what to measure.
        suite: a suite of benchmarks.yaml.
        shape: sizes, the name of a model's, or several; likewise the other axes.
        operation: names of operations.
        direction: forward, backward, step.
        dtype: element types.
        device: devices.
        cache: hot, cold.
        outputs: allocated, ready.
        save: where the report is kept; without it, nowhere.
        quiet: whether no progress is shown on stderr.
        framework: whose arrays functions take: numpy, torch, triton or jax; what their code says
            where nothing is said. A file says it itself.
        **budget: `fast`, `rigorous`, `precision`, `time`, `max_time`, `passes`, `threads`, `seed`,
            as the flags of `lnbench run`.

    Raises:
        LnbenchError: something is wrong that the caller can mend.
    """
    from lnbench.cli import progress
    from lnbench.cli.live import Line
    from lnbench.cli.run import stopping
    from lnbench.session import selection

    axes = _axes(operation, direction, dtype, device, shape, cache, outputs)
    said = {"suite": suite, "quiet": quiet, "force": True, **budget}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="lnbench-report-"))
        said["report"] = Path(save or Path(folder) / "report.json")
        flags, names = stack.enter_context(_flags(RunFlags, backends, said, axes, framework))
        chosen = stack.enter_context(selection.select(flags))
        begun, line = chosen.new_report(), stack.enter_context(Line(quiet=quiet))
        stop = stopping(chosen, begun)
        made, _, interrupted = progress.follow(chosen, stop, begun, flags, "", line)
    if interrupted:
        print(_INTERRUPTED, file=sys.stderr)  # noqa: T201
    return Report(made, names)


def check(
    backends: Backends,
    suite: str = "quick",
    *,
    shape: Shape = None,
    operation: Values = None,
    direction: Values = None,
    dtype: Values = None,
    device: Values = None,
    cache: Values = None,
    outputs: Values = None,
    framework: str = "",
    **how: Any,
) -> Checks:
    """Verify backends, and functions as backends, against float64, as `lnbench check` does.

    docs/your-kernel.md goes through it.

    Args:
        backends: what to check.
        suite: a suite of benchmarks.yaml.
        shape: sizes, the name of a model's, or several; likewise the other axes.
        operation: names of operations.
        direction: forward, backward, step.
        dtype: element types.
        device: devices.
        cache: hot, cold.
        outputs: allocated, ready.
        framework: as in `run`.
        **how: `threads`, `seed`, `timeout`, as the flags of `lnbench check`.

    Raises:
        LnbenchError: something is wrong that the caller can mend.
    """
    from lnbench.session import selection
    from lnbench.session.check import inspect

    axes = _axes(operation, direction, dtype, device, shape, cache, outputs)
    with contextlib.ExitStack() as stack:
        said = {"suite": suite, **how}
        flags, _ = stack.enter_context(_flags(CheckFlags, backends, said, axes, framework))
        chosen = stack.enter_context(selection.select(flags))
        return Checks(tuple(inspect(chosen)))


def read(path: str | Path) -> Report:
    """Return the report in a file; LnbenchError where it is none."""
    return Report(reports.read(Path(path)))


@contextlib.contextmanager
def _flags(
    kind: type[_Flags],
    backends: Backends,
    said: Mapping[str, Any],
    axes: Mapping[str, Values],
    framework: str,
) -> Iterator[tuple[_Flags, dict[str, str]]]:
    """Have functions as backends, and yield the flags, and labels by backend."""
    with tempfile.TemporaryDirectory(prefix="lnbench-functions-") as folder:
        words, labels, kernels = functions.named(
            backends, Path(folder), registry.backend_names(), framework
        )
        fields: dict[str, Any] = {axis: _texts(values) for axis, values in axes.items()}
        fields |= {name: value for name, value in said.items() if value is not None}
        unknown = set(fields) - set(kind.__struct_fields__)
        if unknown:
            raise LnbenchError(
                f"unknown argument '{min(unknown)}'", "see help(lnbench.run) and lnbench run --help"
            )
        with registry.using(kernels):
            yield kind(backend=words, **fields), labels


def _axes(
    operation: Values,
    direction: Values,
    dtype: Values,
    device: Values,
    shape: Shape,
    cache: Values,
    outputs: Values,
) -> dict[str, Values]:
    axes = {"operation": operation, "direction": direction, "dtype": dtype, "device": device}
    return {**axes, "shape": _shapes(shape), "cache": cache, "output": outputs}


def _texts(values: Values) -> list[str]:
    if values is None:
        return []
    return [values] if isinstance(values, str) else [str(value) for value in values]


def _shapes(shape: Shape) -> Values:
    """Return sizes as a flag says them."""
    if shape is None or isinstance(shape, str):
        return shape
    sizes: list[Any] = list(shape)
    if all(hasattr(size, "__index__") for size in sizes):  # NumPy's integers, too
        sizes = [sizes]
    return [each if isinstance(each, str) else _size(each) for each in sizes]


def _size(sizes: Iterable[Any]) -> str:
    try:
        return "x".join(str(operator.index(size)) for size in sizes)
    except TypeError:
        raise LnbenchError(f"shape {sizes!r:.60} is not a shape", "write (4096, 1024)") from None


def _console(width: int) -> Any:
    from rich.console import Console

    return Console(file=io.StringIO(), record=True, width=width, highlight=False)
