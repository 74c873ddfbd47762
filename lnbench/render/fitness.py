"""What a report lacks to be a baseline, in words."""

from lnbench.judge.fitness import Shortfall
from lnbench.units import format_duration


def fitness_lines(lack: Shortfall, command: str) -> tuple[str, str]:
    """Return what is missing and how long it takes, and the command that makes up for it."""
    rows = f"{lack.rows} of {lack.of_rows} rows lack" if lack.of_rows > 1 else "its row lacks"
    most = "up to " * (lack.rows > 1)
    passes = f"{most}{lack.passes} of the {lack.needed} passes that a diff needs"
    return (
        f"no baseline yet: {rows} {passes}, about {format_duration(lack.seconds)}",
        f"make it one: {command}",
    )
