"""`lnbench list`: names, availability, and the reason why not."""

import typer

from lnbench.cli import options
from lnbench.errors import PluginError

list_app = typer.Typer(
    help="List backends, operations, suites or benchmarks.", no_args_is_help=True
)


@list_app.command("backends")
def list_backends(device: options.Devices = [], format_: options.Format = "table") -> None:  # noqa: B006
    """List the backends, whether they run here, and why not."""
    from lnbench import registry
    from lnbench.cli import showing
    from lnbench.measure.home import Ground
    from lnbench.measure.launch import plain_variables
    from lnbench.measure.probe import probe
    from lnbench.plan.case import parse_device

    devices = [parse_device(each) for text in device or ["auto"] for each in text.split(",")]
    names = registry.backend_names()
    machine = probe(names, devices, Ground(plain_variables()))
    owners = {name: registry.distribution(registry.BACKENDS, name) for name in names}
    showing.show_backends(machine, owners, showing.check_format(format_))


@list_app.command("operations")
def list_operations(format_: options.Format = "table") -> None:
    """List the operations, and the frameworks that they bring kernels for."""
    from lnbench import registry
    from lnbench.cli import showing

    rows = [_operation_row(name) for name in registry.operation_names()]
    showing.show_rows(("operation", "what", "kernels for"), rows, showing.check_format(format_))


@list_app.command("suites")
def list_suites(config: options.Config = None, format_: options.Format = "table") -> None:
    """List the suites that would be used in this folder."""
    from lnbench.cli import showing
    from lnbench.plan import suite

    found = suite.load(config)
    rows = [(each.name, str(len(each.grids)), found.name) for each in found.suites]
    showing.show_rows(("suite", "grids", "from"), rows, showing.check_format(format_))


@list_app.command("benchmarks")
def list_benchmarks(
    suite: options.SuiteName = "quick",
    config: options.Config = None,
    operation: options.Operations = [],  # noqa: B006  (Typer copies it)
    direction: options.Directions = [],  # noqa: B006
    shape: options.Shapes = [],  # noqa: B006
    dtype: options.DTypes = [],  # noqa: B006
    device: options.Devices = [],  # noqa: B006
    backend: options.Backends = [],  # noqa: B006
    cache: options.Caches = [],  # noqa: B006
    outputs: options.Outputs = [],  # noqa: B006
    filter_: options.Filters = [],  # noqa: B006
) -> None:
    """List the ids of the benchmarks that a suite and flags select here."""
    flags = dict(locals())
    from lnbench.cli import selection

    with selection.choose(suite, flags) as chosen:
        for benchmark in chosen.benchmarks:
            typer.echo(benchmark.id)


def _operation_row(name: str) -> tuple[str, str, str]:
    """Return what an operation says of itself; of a broken one, its error."""
    from lnbench import registry

    try:
        found = registry.operation(name)
    except PluginError as error:
        return name, error.message, ""
    return name, found.summary, ", ".join(sorted(found.kernels))
