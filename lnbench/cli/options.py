"""The options that commands share, declared once; names and meanings are docs/contract."""

from pathlib import Path
from typing import Annotated

import typer

from lnbench.cli import completion

_AXES = "Axes (each replaces that axis of the suite; repeat, or use commas)"
_OUTPUT = "Output"

SuiteName = Annotated[
    str,
    typer.Argument(
        envvar="LNBENCH_SUITE",
        help="A suite of benchmarks.yaml.",
        autocompletion=completion.suites,
    ),
]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="LNBENCH_CONFIG",
        help="Suites to use instead of ./benchmarks.yaml or lnbench's own.",
        show_default=False,
    ),
]
Operations = Annotated[
    list[str],
    typer.Option(
        "--operation",
        envvar="LNBENCH_OPERATION",
        help="Operations: layernorm, rmsnorm, …; see lnbench list operations.",
        autocompletion=completion.operations,
        rich_help_panel=_AXES,
        show_default=False,
    ),
]
Directions = Annotated[
    list[str],
    typer.Option(
        "--direction",
        envvar="LNBENCH_DIRECTION",
        help="forward, backward, step (both, through autograd).",
        autocompletion=completion.directions,
        rich_help_panel=_AXES,
        show_default=False,
    ),
]
Shapes = Annotated[
    list[str],
    typer.Option(
        "--shape",
        envvar="LNBENCH_SHAPE",
        help="Input shapes: 4096x1024.",
        rich_help_panel=_AXES,
        show_default=False,
    ),
]
DTypes = Annotated[
    list[str],
    typer.Option(
        "--dtype",
        envvar="LNBENCH_DTYPE",
        help="float32, float64, float16, bfloat16.",
        autocompletion=completion.dtypes,
        rich_help_panel=_AXES,
        show_default=False,
    ),
]
Devices = Annotated[
    list[str],
    typer.Option(
        "--device",
        envvar="LNBENCH_DEVICE",
        help="cpu, cuda, cuda:1, or auto: cuda where there is one.",
        rich_help_panel=_AXES,
        show_default=False,
    ),
]
Backends = Annotated[
    list[str],
    typer.Option(
        "--backend",
        "-b",
        envvar="LNBENCH_BACKEND",
        help="Backends, as in 'lnbench list backends'; copy always comes along.",
        autocompletion=completion.backends,
        rich_help_panel=_AXES,
        show_default=False,
    ),
]
Caches = Annotated[
    list[str],
    typer.Option(
        "--cache",
        envvar="LNBENCH_CACHE",
        help="hot, cold (flushed before each iteration).",
        rich_help_panel=_AXES,
        show_default=False,
    ),
]
Outputs = Annotated[
    list[str],
    typer.Option(
        "--outputs",
        envvar="LNBENCH_OUTPUTS",
        help="allocated by each call, or ready buffers.",
        rich_help_panel=_AXES,
        show_default=False,
    ),
]
Filters = Annotated[
    list[str],
    typer.Option(
        "--filter",
        envvar="LNBENCH_FILTER",
        help="Keep only benchmarks whose id fits a glob: '*/bfloat16/*'.",
        rich_help_panel=_AXES,
        show_default=False,
    ),
]
OutputPath = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        envvar="LNBENCH_OUTPUT",
        help="The report; default: reports/<UTC time>.json.",
        rich_help_panel=_OUTPUT,
        show_default=False,
    ),
]
Format = Annotated[
    str,
    typer.Option(
        "--format",
        envvar="LNBENCH_FORMAT",
        help="table, markdown or json.",
        rich_help_panel=_OUTPUT,
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        envvar="LNBENCH_FORCE",
        help="Write over an existing report.",
        rich_help_panel=_OUTPUT,
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        "-q",
        envvar="LNBENCH_QUIET",
        help="No progress and no tables, only the report.",
        rich_help_panel=_OUTPUT,
    ),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume",
        envvar="LNBENCH_RESUME",
        help="Go on with an interrupted report, in place.",
        rich_help_panel=_OUTPUT,
        show_default=False,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        envvar="LNBENCH_DRY_RUN",
        help="Say what would run, and about how long.",
        rich_help_panel=_OUTPUT,
    ),
]
RelativeTo = Annotated[
    str | None,
    typer.Option(
        "--relative-to",
        envvar="LNBENCH_RELATIVE_TO",
        help="The backend that speedups are against; default: torch-eager where it ran.",
        autocompletion=completion.backends,
        rich_help_panel=_OUTPUT,
        show_default=False,
    ),
]
By = Annotated[
    str,
    typer.Option(
        "--by",
        envvar="LNBENCH_BY",
        help="Columns of the table: backend, shape or dtype; with one metric.",
        rich_help_panel=_OUTPUT,
        show_default=False,
    ),
]
Metric = Annotated[
    str,
    typer.Option(
        "--metric",
        envvar="LNBENCH_METRIC",
        help="time, speedup, bandwidth, copy, error or memory.",
        rich_help_panel=_OUTPUT,
    ),
]
