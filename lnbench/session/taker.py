"""A row's worker in one pass, and what came of it."""

from dataclasses import dataclass, field
from pathlib import Path

from lnbench import registry
from lnbench.measure import messages
from lnbench.measure.shared import Packed
from lnbench.session.ledger import Ledger
from lnbench.workers.handle import WorkerHandle


@dataclass
class Taker:
    """A row's worker in one pass."""

    row: Ledger
    worker: WorkerHandle
    results: Path
    """Where it puts what the referee is to see."""
    threads: int
    """Threads that it may use."""
    watched: bool
    """Whether its inputs are new in every sample of this pass."""
    first: bool
    """Whether it is the row's first process of the session."""
    sums: dict[str, Packed]
    """As in `Prepared`."""
    rows: list[messages.NewRow] = field(default_factory=list)
    """What its inputs were given, call by call, and what came of it."""
    kept: int | None = None
    """As in `Sampled`, of the last sample."""

    @property
    def foreign(self) -> bool:
        """Whether its kernel is a user's or a plug-in's."""
        return not registry.is_own(self.row.benchmark.backend)

    @property
    def plug_in(self) -> bool:
        """Whether its routine may be another than lnbench's."""
        return registry.is_plug_in(self.row.benchmark.backend)

    def sampled(self, new: messages.Fresh | None, sample: messages.Sampled) -> None:
        """Note what came of new values."""
        if new is not None:
            self.rows.append(messages.NewRow(new, sample.outputs))
            self.kept = sample.kept
