"""The commands, and the one place where a user's mistake becomes a sentence and an exit code."""

import signal
from collections.abc import Callable
from typing import Annotated, Any

import typer
import typer.core

from lnbench import __version__
from lnbench.cli import streams
from lnbench.cli.ab import ab_command
from lnbench.cli.check import check_command
from lnbench.cli.cluster import cluster_app
from lnbench.cli.diff import diff_command
from lnbench.cli.doctor import doctor_command
from lnbench.cli.export import export_command
from lnbench.cli.history import history_command
from lnbench.cli.init import init_app
from lnbench.cli.list import list_app
from lnbench.cli.paper import paper_app
from lnbench.cli.profile import profile_command
from lnbench.cli.run import run_command
from lnbench.cli.schema import schema_command
from lnbench.cli.show import show_command
from lnbench.errors import ExitCode, LnbenchError


class _Group(typer.core.TyperGroup):
    """Commands whose known errors end as one sentence."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; a user's mistake exits with its code, Ctrl-C with 130."""
        try:
            return super().invoke(ctx)
        except LnbenchError as error:
            raise typer.Exit(streams.say_error(error)) from None
        except BrokenPipeError as error:
            # That of a worker: click would take it for that of stdout.
            raise RuntimeError("a worker's line broke") from error
        except KeyboardInterrupt:
            typer.echo("interrupted", err=True)
            raise typer.Exit(ExitCode.INTERRUPTED) from None


app = typer.Typer(
    name="lnbench",
    cls=_Group,
    help="Which LayerNorm is fastest here, is it right, and did a change make it slower?",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a bug keeps its traceback
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"lnbench {__version__}")
        raise typer.Exit


@app.callback()
def _lnbench(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


_COMMANDS: dict[str, Callable[..., None]] = {
    "run": run_command,
    "check": check_command,
    "show": show_command,
    "diff": diff_command,
    "ab": ab_command,
    "history": history_command,
    "export": export_command,
    "doctor": doctor_command,
    "profile": profile_command,
}
for _name, _command in _COMMANDS.items():
    app.command(_name)(_command)
app.add_typer(cluster_app, name="cluster")
app.add_typer(list_app, name="list")
app.add_typer(init_app, name="init")
app.command("schema")(schema_command)
app.add_typer(paper_app, name="paper")


def main() -> None:
    """Run the command line."""
    # A job that is cancelled ends like one that is interrupted: workers and arrays go with it.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    streams.run(app)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
