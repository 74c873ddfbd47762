"""`lnbench show`: the tables again, from the file."""

from pathlib import Path
from typing import Annotated

import typer

from lnbench.cli import options


def show_command(
    report: Annotated[Path, typer.Argument(help="A report that 'lnbench run' wrote.")],
    by: options.By = "",
    metric: options.Metric = "time",
    relative_to: options.RelativeTo = None,
    format_: options.Format = "table",
) -> None:
    """Show the tables of a report again, or one metric by backend, shape or dtype."""
    from lnbench.cli import showing
    from lnbench.record import report as reports

    showing.check_format(format_)
    showing.check_pivot(by, metric)
    showing.show(reports.read(report), format_, relative_to=relative_to, by=by, metric=metric)
