"""`lnbench init`: files to start from."""

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from lnbench.errors import ConfigError, UnknownNameError

FRAMEWORKS = ("numpy", "torch", "triton")
"""What there is a kernel to start from for."""

init_app = typer.Typer(help="Print files to start from.", no_args_is_help=True)


@init_app.command("kernel")
def init_kernel(
    framework: Annotated[
        str,
        typer.Option(
            envvar="LNBENCH_FRAMEWORK",
            help=f"{', '.join(FRAMEWORKS)}: whose arrays it takes.",
            autocompletion=lambda: list(FRAMEWORKS),
        ),
    ] = "torch",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            envvar="LNBENCH_OUTPUT",
            help="A new file; without it, the terminal.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Print a LayerNorm to start from, which passes `lnbench check -b FILE`."""
    if framework not in FRAMEWORKS:
        raise UnknownNameError("framework", framework, FRAMEWORKS, "--framework")
    text = files("lnbench.templates").joinpath(f"{framework}_kernel.py").read_text()
    if output is None:
        typer.echo(text, nl=False)
        return
    try:
        with output.open("x") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigError(f"{output} is there already", "name another file") from None
    except OSError as error:
        raise ConfigError(f"{output} cannot be written: {error.strerror}") from None
    name = output if output.is_absolute() else f"./{output}"
    typer.echo(f"try it: lnbench check -b {name}, then lnbench run -b {name}", err=True)
