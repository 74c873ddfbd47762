"""`lnbench check`: every benchmark once, verified on random and hostile inputs, not timed."""

import typer

from lnbench.cli import budget_options, options

WRONG, NOTHING = 3, 5


def check_command(
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
    timeout: budget_options.Timeout = None,
    threads: budget_options.Threads = None,
    seed: budget_options.Seed = 0,
    start_method: budget_options.StartMethod = None,
    format_: options.Format = "table",
    quiet: options.Quiet = False,
) -> None:
    """Verify every benchmark against float64, hostile inputs too, without timing it."""
    flags = dict(locals())
    from lnbench.cli import selection, showing
    from lnbench.measure.inspection import inspect
    from lnbench.registry import SPEED_LIMIT

    showing.check_format(format_)
    with selection.choose(suite, flags) as chosen:
        checks = []
        for check in inspect(chosen.benchmarks, chosen.setting, chosen.unable, spawn=chosen.spawn):
            checks.append(check)
            if not quiet:
                typer.echo(f"checked {len(checks)} of {len(chosen.benchmarks)}", err=True)
    if not quiet:
        showing.show_checks(tuple(checks), format_)
    if any(check.failed for check in checks):
        raise typer.Exit(WRONG)
    checked = {check.benchmark.backend for check in checks if check.findings}
    asked = {check.benchmark.backend for check in checks}
    # As in `run`: the speed limit alone is nothing, unless nothing else was asked for.
    raise typer.Exit(0 if checked - {SPEED_LIMIT} or checked == asked else NOTHING)
