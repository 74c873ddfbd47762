"""`lnbench list`: names, availability, and the reason why not."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from lnbench.cli import formats, options
from lnbench.errors import NothingMeasuredError, PluginError
from lnbench.plan.flags import SuiteFlags
from lnbench.render.sheet import plain_view

list_app = typer.Typer(
    help="List backends, operations, suites, shapes or benchmarks.", no_args_is_help=True
)


@list_app.command("backends")
def list_backends(
    device: Annotated[list[str], options.OPTIONS["device"]] = [],  # noqa: B006  (Typer copies it)
    format_: Annotated[str, options.OPTIONS["format"]] = "table",
) -> None:
    """List the backends, whether they run here, and why not."""
    from lnbench.cli.live import Line

    formats.check_format(format_)
    with Line():
        from lnbench import registry
        from lnbench.plan.case import parse_device
        from lnbench.workers.launcher import Interpreter
        from lnbench.workers.probe import probe
        from lnbench.workers.variables import plain_variables

        devices = [parse_device(name) for text in device or ["auto"] for name in text.split(",")]
        names = registry.backend_names()
        machine = probe(names, devices, Interpreter(plain_variables()))
    rows = [
        (
            known.backend,
            known.device,
            "yes" if known.available else "broken" if known.broken else "no",
            known.text,
            registry.distribution(registry.BACKENDS, known.backend),
        )
        for known in machine.backends
    ]
    _show(("backend", "device", "available", "why", "from"), rows, format_)


@list_app.command("operations")
def list_operations(
    format_: Annotated[str, options.OPTIONS["format"]] = "table",
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            envvar="LNBENCH_VERBOSE",
            help="How a kernel of your own is called, and what it returns.",
        ),
    ] = False,
) -> None:
    """List the operations, and the frameworks that they bring kernels for."""
    from lnbench import registry

    names = registry.operation_names()
    if verbose:
        rows = [row for name in names for row in _signatures(name)]
        _show(("operation", "function", "returns"), rows, format_)
        return
    _show(("operation", "what", "kernels for"), [_operation_row(name) for name in names], format_)


@list_app.command("suites")
def list_suites(
    config: Annotated[Path | None, options.OPTIONS["config"]] = None,
    format_: Annotated[str, options.OPTIONS["format"]] = "table",
) -> None:
    """List the suites that would be used in this folder."""
    from lnbench.plan import suite

    file = suite.load(config)
    rows = [(entry.name, str(len(entry.grids)), file.name) for entry in file.suites]
    _show(("suite", "grids", "from"), rows, format_)


@list_app.command("shapes")
def list_shapes(format_: Annotated[str, options.OPTIONS["format"]] = "table") -> None:
    """List the shapes that have names: of which models, with which norm, and where that is from."""
    from lnbench.plan.shapes import catalogue
    from lnbench.render.shapes import shapes_view

    formats.show_view(shapes_view(catalogue()), formats.check_format(format_))


@list_app.command("benchmarks")
@options.command()
def list_benchmarks(flags: SuiteFlags) -> None:
    """List the ids of the benchmarks that a suite and flags select here."""
    from lnbench.cli.live import Line

    with Line():
        from lnbench.session import selection

        benchmarks = selection.benchmarks(flags)
    if not benchmarks:
        raise NothingMeasuredError(
            f"suite '{flags.suite}' with these flags selects no benchmark",
            "lnbench list benchmarks shows what there is",
        )
    for benchmark in benchmarks:
        typer.echo(benchmark.id)


def _show(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], format_: str) -> None:
    formats.show_view(plain_view(head, rows), formats.check_format(format_))


def _operation_row(name: str) -> tuple[str, str, str]:
    """Return what an operation says of itself; of a broken one, its error."""
    from lnbench import registry

    try:
        loaded = registry.operation(name)
    except PluginError as error:
        return name, error.message, ""
    return name, loaded.summary, ", ".join(sorted(loaded.kernels))


def _signatures(name: str) -> list[tuple[str, ...]]:
    """Return how the functions of a kernel are called and what they return, by direction."""
    from lnbench import registry
    from lnbench.kernel_signatures import parameter_names
    from lnbench.plan.case import Case, Direction, DType

    try:
        operation = registry.operation(name)
    except PluginError as error:
        return [(name, error.message, "")]
    found: list[tuple[str, ...]] = []
    for direction in Direction:
        taken = parameter_names(operation, direction)
        if taken:
            results = operation.outputs(Case(name, direction, (2, 3, 4), DType.FLOAT32, "cpu"))
            found.append((name, f"{direction}({', '.join(taken)})", ", ".join(results)))
    return found
