"""What a node says of itself before anything is measured on it."""

from typing import Any

import msgspec

from lnbench.record.environment import collect
from lnbench.record.machine import physical_cores
from lnbench.registry import SPEED_LIMIT
from lnbench.workers.launcher import Interpreter
from lnbench.workers.probe import probe
from lnbench.workers.variables import plain_variables


def here(threads: int | None) -> Any:
    """Return the environment of this machine as a report has it, as JSON takes it."""
    machine = probe([SPEED_LIMIT], ["auto"], Interpreter(plain_variables()))
    return msgspec.to_builtins(collect(threads or physical_cores(), machine.devices))
