"""The options that say how much measuring to do, declared once."""

from typing import Annotated

import typer

_BUDGET = "Budget"

Fast = Annotated[
    bool,
    typer.Option(
        "--fast",
        envvar="LNBENCH_FAST",
        help="Six short passes: for a look, too few for a verdict.",
        rich_help_panel=_BUDGET,
    ),
]
Rigorous = Annotated[
    bool,
    typer.Option(
        "--rigorous",
        envvar="LNBENCH_RIGOROUS",
        help="Up to forty passes, to a precision of 2%.",
        rich_help_panel=_BUDGET,
    ),
]
Precision = Annotated[
    str | None,
    typer.Option(
        envvar="LNBENCH_PRECISION",
        help="Stop a row when its interval is this narrow: 5%.",
        rich_help_panel=_BUDGET,
        show_default=False,
    ),
]
Time = Annotated[
    float | None,
    typer.Option(
        envvar="LNBENCH_TIME",
        help="Seconds of samples that one benchmark may take.",
        rich_help_panel=_BUDGET,
        show_default=False,
    ),
]
MaxTime = Annotated[
    float | None,
    typer.Option(
        envvar="LNBENCH_MAX_TIME",
        help="Seconds that the whole run may take.",
        rich_help_panel=_BUDGET,
        show_default=False,
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        envvar="LNBENCH_TIMEOUT",
        help="Seconds after which a silent worker counts as hung.",
        rich_help_panel=_BUDGET,
        show_default=False,
    ),
]
Passes = Annotated[
    int | None,
    typer.Option(
        envvar="LNBENCH_PASSES",
        help="Most passes; each takes every row once, in new processes (CUDA: one a backend).",
        rich_help_panel=_BUDGET,
        show_default=False,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        min=1,
        envvar="LNBENCH_THREADS",
        help="Threads of every CPU backend; default: the physical cores.",
        rich_help_panel=_BUDGET,
        show_default=False,
    ),
]
Seed = Annotated[
    int,
    typer.Option(
        min=0,
        envvar="LNBENCH_SEED",
        help="Seed of the inputs and of every random order.",
        rich_help_panel=_BUDGET,
    ),
]
Autotune = Annotated[
    bool,
    typer.Option(
        "--autotune",
        envvar="LNBENCH_AUTOTUNE",
        help="Let lnbench's Triton kernels try their configurations on the GPU first.",
        rich_help_panel=_BUDGET,
    ),
]
StartMethod = Annotated[
    str | None,
    typer.Option(
        envvar="LNBENCH_START_METHOD",
        help="fork (default on Linux) or spawn.",
        rich_help_panel=_BUDGET,
        show_default=False,
    ),
]
