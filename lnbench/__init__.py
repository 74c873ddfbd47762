"""Which LayerNorm is fastest on this machine, is it right, and did a change make it slower?"""

from lnbench.backend import Available, Backend, Routine, Unavailable
from lnbench.operation import Bulk, Operation, Truth
from lnbench.plan.case import Case, Direction, DType, Work

__version__ = "0.1.0"

__all__ = [
    "Available",
    "Backend",
    "Bulk",
    "Case",
    "DType",
    "Direction",
    "Operation",
    "Routine",
    "Truth",
    "Unavailable",
    "Work",
    "__version__",
]
