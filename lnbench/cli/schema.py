"""`lnbench schema`: the JSON Schema of a file."""

import json
from enum import StrEnum
from typing import Annotated

import typer


class What(StrEnum):
    """The files that have a schema."""

    REPORT = "report"
    COMPARISON = "comparison"
    """What `ab` writes: the same file, with two sides."""
    SUITE = "suite"


def schema_command(
    what: Annotated[
        What, typer.Argument(help="The file: a report of run, of ab, or benchmarks.yaml.")
    ],
) -> None:
    """Print the JSON Schema of a report or of benchmarks.yaml."""
    from lnbench.record.schema import report_schema, suite_schema

    schema = suite_schema() if what is What.SUITE else report_schema()
    typer.echo(json.dumps(schema, indent=2, ensure_ascii=False))
