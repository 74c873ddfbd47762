"""The options of the commands, each declared once; names and meanings are docs/contract's."""

import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec
import typer

from lnbench.cli import completion
from lnbench.plan.budget import LARGEST_SEED, MOST_THREADS
from lnbench.render.forms import FORMS

_AXES = "Axes (each replaces that axis of the suite; repeat, or use commas)"
BUDGET = "Budget"
_VERDICT = "Verdict"
OUTPUT = "Output"
_FORMS = tuple(FORMS)

_SIDES = "backend:NAME, backend:NAME+10%, git:REF, pip:REQUIREMENT or python:PATH"

OPTIONS: dict[str, Any] = {
    "baseline": typer.Argument(
        help=f"The side to compare with: {_SIDES}; or git:A...B, both at once: what B changed "
        "since it branched off A.",
        autocompletion=completion.sides,
    ),
    "candidate": typer.Argument(
        help="The side that is judged: likewise; left out after git:A...B.",
        autocompletion=completion.sides,
        show_default=False,
    ),
    "suite": typer.Argument(
        envvar="LNBENCH_SUITE",
        help="A suite of benchmarks.yaml.",
        autocompletion=completion.suites,
    ),
    "config": typer.Option(
        "--config",
        envvar="LNBENCH_CONFIG",
        help="Suites to use instead of ./benchmarks.yaml or lnbench's own.",
        show_default=False,
    ),
    "operation": typer.Option(
        "--operation",
        envvar="LNBENCH_OPERATION",
        help="Operations: layernorm, rmsnorm, …; see lnbench list operations.",
        autocompletion=completion.operations,
        rich_help_panel=_AXES,
        show_default=False,
    ),
    "direction": typer.Option(
        "--direction",
        envvar="LNBENCH_DIRECTION",
        help="forward, backward, step (both, through autograd).",
        autocompletion=completion.among("forward", "backward", "step"),
        rich_help_panel=_AXES,
        show_default=False,
    ),
    "shape": typer.Option(
        "--shape",
        envvar="LNBENCH_SHAPE",
        help="Input shapes: 4096x1024, or a model's: llama-3-8b:prefill; see lnbench list shapes.",
        autocompletion=completion.shapes,
        rich_help_panel=_AXES,
        show_default=False,
    ),
    "dtype": typer.Option(
        "--dtype",
        envvar="LNBENCH_DTYPE",
        help="float32, float64, float16, bfloat16.",
        autocompletion=completion.among("float64", "float32", "float16", "bfloat16"),
        rich_help_panel=_AXES,
        show_default=False,
    ),
    "device": typer.Option(
        "--device",
        envvar="LNBENCH_DEVICE",
        help="cpu, cuda, cuda:1, or auto: cuda where there is one.",
        rich_help_panel=_AXES,
        show_default=False,
        autocompletion=completion.among("auto", "cpu", "cuda", "cuda:0", "mps", "xpu"),
    ),
    "backend": typer.Option(
        "--backend",
        "-b",
        envvar="LNBENCH_BACKEND",
        help="Backends, as in 'lnbench list backends'; copy always comes along.",
        autocompletion=completion.backends,
        rich_help_panel=_AXES,
        show_default=False,
    ),
    "cache": typer.Option(
        "--cache",
        envvar="LNBENCH_CACHE",
        help="hot, cold (flushed before each iteration).",
        rich_help_panel=_AXES,
        show_default=False,
        autocompletion=completion.among("hot", "cold"),
    ),
    "output": typer.Option(
        "--outputs",
        envvar="LNBENCH_OUTPUTS",
        help="allocated by each call, or ready buffers.",
        rich_help_panel=_AXES,
        show_default=False,
        autocompletion=completion.among("allocated", "ready"),
    ),
    "filter": typer.Option(
        "--filter",
        envvar="LNBENCH_FILTER",
        help="Keep only benchmarks whose id holds a word or fits a glob: numpy, '*/bfloat16/*'.",
        rich_help_panel=_AXES,
        show_default=False,
    ),
    "part": typer.Option(
        "--shard",
        envvar="LNBENCH_SHARD",
        help="Measure a share of the cases, 2/5 the second of five: for jobs on machines alike.",
        rich_help_panel=_AXES,
        show_default=False,
    ),
    "fast": typer.Option(
        "--fast",
        envvar="LNBENCH_FAST",
        help="Eight short passes: who is fastest, but too few for a verdict.",
        rich_help_panel=BUDGET,
    ),
    "rigorous": typer.Option(
        "--rigorous",
        envvar="LNBENCH_RIGOROUS",
        help="Up to forty passes, to a precision of 2%.",
        rich_help_panel=BUDGET,
    ),
    "precision": typer.Option(
        envvar="LNBENCH_PRECISION",
        help="Stop a row when its interval is this narrow: 5%.",
        rich_help_panel=BUDGET,
        show_default=False,
    ),
    "time": typer.Option(
        envvar="LNBENCH_TIME",
        help="Seconds of samples after which a row stops; without it, --max-time and --fast, no "
        "row stops before it has the passes that diff needs.",
        rich_help_panel=BUDGET,
        show_default=False,
    ),
    "max_time": typer.Option(
        envvar="LNBENCH_MAX_TIME",
        help="Seconds that the whole run may take.",
        rich_help_panel=BUDGET,
        show_default=False,
    ),
    "timeout": typer.Option(
        envvar="LNBENCH_TIMEOUT",
        help="Seconds after which a silent worker counts as hung.",
        rich_help_panel=BUDGET,
        show_default=False,
    ),
    "passes": typer.Option(
        envvar="LNBENCH_PASSES",
        help="Most passes; each takes every row once, in new processes (CUDA: one a backend).",
        rich_help_panel=BUDGET,
        show_default=False,
    ),
    "threads": typer.Option(
        min=1,
        max=MOST_THREADS,
        envvar="LNBENCH_THREADS",
        help="Threads of every CPU backend; default: the physical cores.",
        rich_help_panel=BUDGET,
        show_default=False,
    ),
    "seed": typer.Option(
        min=0,
        max=LARGEST_SEED,
        envvar="LNBENCH_SEED",
        help="Seed of the inputs and of every random order.",
        rich_help_panel=BUDGET,
    ),
    "start_method": typer.Option(
        envvar="LNBENCH_START_METHOD",
        help="fork (default on Linux) or spawn.",
        rich_help_panel=BUDGET,
        show_default=False,
        autocompletion=completion.among("fork", "spawn"),
    ),
    "autotune": typer.Option(
        "--autotune",
        envvar="LNBENCH_AUTOTUNE",
        help="Let lnbench's Triton kernels try their configurations on the GPU first.",
        rich_help_panel=BUDGET,
    ),
    "energy": typer.Option(
        "--energy",
        envvar="LNBENCH_ENERGY",
        help="Measure the joules of a call too, by RAPL or NVML: six seconds more a row.",
        rich_help_panel=BUDGET,
    ),
    "threshold": typer.Option(
        envvar="LNBENCH_THRESHOLD",
        help="Smallest change worth acting on.",
        rich_help_panel=_VERDICT,
    ),
    "alpha": typer.Option(
        envvar="LNBENCH_ALPHA",
        help="Chance of a false alarm, over all rows.",
        rich_help_panel=_VERDICT,
    ),
    "detect": typer.Option(
        envvar="LNBENCH_DETECT",
        help="With --strict, object only to rows that could not have shown a change of, say, 10%.",
        rich_help_panel=_VERDICT,
        show_default=False,
    ),
    "strict": typer.Option(
        "--strict",
        envvar="LNBENCH_STRICT",
        help="Exit with 4 where rows are inconclusive, removed or newly skipped.",
        rich_help_panel=_VERDICT,
    ),
    "only_changed": typer.Option(
        "--only-changed",
        envvar="LNBENCH_ONLY_CHANGED",
        help="Show the rows that changed; the others are counted.",
        rich_help_panel=_VERDICT,
    ),
    "any_environment": typer.Option(
        "--any-environment",
        envvar="LNBENCH_ANY_ENVIRONMENT",
        help="Compare across machines, devices and versions.",
        rich_help_panel=_VERDICT,
    ),
    "report": typer.Option(
        "--output",
        "-o",
        envvar="LNBENCH_OUTPUT",
        help="The report; default: reports/<UTC time>.json.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
    "format": typer.Option(
        "--format",
        envvar="LNBENCH_FORMAT",
        help=f"{', '.join(_FORMS[:-1])} or {_FORMS[-1]}.",
        rich_help_panel=OUTPUT,
        autocompletion=completion.among(*_FORMS),
    ),
    "columns": typer.Option(
        "--columns",
        envvar="LNBENCH_COLUMNS",
        help="Columns of the table, by commas: time,ratio,copy; default: those that fit.",
        autocompletion=completion.columns,
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
    "wide": typer.Option(
        "--wide",
        envvar="LNBENCH_WIDE",
        help="Show all columns, however narrow the terminal is; a pipe gets them anyway.",
        rich_help_panel=OUTPUT,
    ),
    "relative_to": typer.Option(
        "--relative-to",
        envvar="LNBENCH_RELATIVE_TO",
        help="The backend that speedups are against; default: torch-eager where it ran.",
        autocompletion=completion.backends,
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
    "by": typer.Option(
        "--by",
        envvar="LNBENCH_BY",
        help="Columns of the table: backend, shape or dtype, with one metric; or machine: each row "
        "of all reports of a folder, by kind of machine.",
        rich_help_panel=OUTPUT,
        show_default=False,
        autocompletion=completion.among("backend", "shape", "dtype", "machine"),
    ),
    "metric": typer.Option(
        "--metric",
        envvar="LNBENCH_METRIC",
        help="time, speedup, bandwidth, copy, energy, error or memory.",
        rich_help_panel=OUTPUT,
        autocompletion=completion.metrics,
    ),
    "summary": typer.Option(
        "--summary",
        envvar="LNBENCH_SUMMARY",
        help="Show only who is fastest, a sentence a case; more than eight are counted.",
        rich_help_panel=OUTPUT,
    ),
    "force": typer.Option(
        "--force",
        envvar="LNBENCH_FORCE",
        help="Write over an existing report.",
        rich_help_panel=OUTPUT,
    ),
    "quiet": typer.Option(
        "--quiet",
        "-q",
        envvar="LNBENCH_QUIET",
        help="No progress and no tables, only the report.",
        rich_help_panel=OUTPUT,
    ),
    "resume": typer.Option(
        "--resume",
        envvar="LNBENCH_RESUME",
        help="Go on with a report, in place: an interrupted one, or to take more passes.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
    "dry_run": typer.Option(
        "--dry-run",
        envvar="LNBENCH_DRY_RUN",
        help="Say what would run, and about how long.",
        rich_help_panel=OUTPUT,
    ),
}
"""What `--help` says of each field of `plan.flags`, in the order in which it says it."""

Flags = TypeVar("Flags", bound=msgspec.Struct)


def command(**special: Any) -> Callable[[Callable[[Flags], None]], Callable[..., None]]:
    """Return what makes a command of a function of one struct: an option a field, by `OPTIONS`.

    Args:
        special: options that this command words in its own way, by field; None leaves one out.
    """

    def made(function: Callable[[Flags], None]) -> Callable[..., None]:
        (struct,) = (kind for name, kind in get_type_hints(function).items() if name != "return")
        options = {**OPTIONS, **special}
        types = get_type_hints(struct)
        fields = {field.name: field for field in msgspec.structs.fields(struct)}
        parameters = [
            inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=_default(fields[name]),
                annotation=Annotated[types[name], options[name]],
            )
            for name in options
            if name in fields and options[name] is not None
        ]

        def run(**values: Any) -> None:
            function(struct(**values))

        run.__doc__ = function.__doc__
        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters}
        return run

    return made


def _default(field: Any) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return inspect.Parameter.empty if field.required else field.default
