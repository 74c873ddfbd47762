"""What becomes of a row whose worker fails."""

from types import TracebackType

from lnbench.record.outcome import Stage
from lnbench.session.ledger import Ledger
from lnbench.workers.handle import WorkerError


class Guard:
    """Turns the failure of a row's worker into the row's."""

    def __init__(self, row: Ledger, stage: Stage) -> None:
        self._row = row
        self._stage = stage

    def __enter__(self) -> None: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, WorkerError):
            return False
        if error.refused is not None and error.refused.unsupported:
            self._row.skip(str(error))
        elif error.refused is not None and error.refused.stage is not Stage.MEASURE:
            self._row.fail(error.refused.stage, str(error))
        else:
            self._row.lose_pass(error.refused.stage if error.refused else self._stage, str(error))
        return True
