"""The same session on every node: what nodes answer comes in, reports and standings go out."""

import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from lnbench import __version__
from lnbench.cluster.connection import Connection, NodeLostError
from lnbench.cluster.folder import Folder
from lnbench.cluster.node import REPORT
from lnbench.cluster.standing import Standing, State
from lnbench.errors import ExitCode, LnbenchError
from lnbench.plan.overrides import NO_CASES
from lnbench.record import files
from lnbench.record.environment import Environment
from lnbench.record.kind import kind
from lnbench.record.medians import read_medians
from lnbench.record.outcome import Failed, Measured, Outcome, Skipped

PATIENCE_S = 30.0
"""Seconds that a node waits for news of its session before it says that there are none."""

_GRACE_PERIOD_S = 45.0
_CAME_TO_ITS_END = (ExitCode.FINE, ExitCode.REGRESSED, ExitCode.FAILED, ExitCode.UNDECIDED)


class Errand(msgspec.Struct, frozen=True):
    """What every node is asked to do."""

    words: Sequence[str]
    """The command line of lnbench there, without its report."""
    files: Mapping[str, bytes]
    """What it reads there, by name."""
    variables: Mapping[str, str]
    """What it is told besides."""
    threads: int = 0
    """As of `lnbench run`; 0 where nobody says."""


class Driver:
    """Asks nodes, writes what they measured, and keeps how they stand.

    Args:
        connection: the nodes.
        folder: where their reports go.
        errand: what each is asked to do.
        shard: whether nodes of one kind share the cases out.
    """

    def __init__(
        self, connection: Connection, folder: Folder, errand: Errand, *, shard: bool
    ) -> None:
        self._connection, self._folder, self._errand = connection, folder, errand
        self._shard = shard or folder.sharded
        now = time.monotonic()
        self.standings = {node.id: Standing(node, now) for node in connection.nodes}
        self._stopped_s: float | None = None
        self._environments: dict[str, Environment] = {}

    def run(self, tick_s: float = 1.0) -> Iterator[None]:
        """Ask all nodes, and yield after each time that some have answered, or none has."""
        for node in self._connection.nodes:
            self._connection.ask(node, "describe", __version__, self._errand.threads)
        while any(standings := [each for each in self.standings.values() if not each.over]):
            if self._stopped_s and time.monotonic() - self._stopped_s > _GRACE_PERIOD_S:
                for standing in standings:
                    self._end(standing, State.INTERRUPTED, "it did not end in time")
                return
            for node, answer in self._connection.answers(tick_s):
                standing = self.standings[node.id]
                if standing.over:
                    continue
                if isinstance(answer, NodeLostError):
                    self._end(standing, State.FAILED, str(answer))
                else:
                    self._take(standing, answer)
            self._begin_shared()
            yield

    @property
    def stopped(self) -> bool:
        """Whether all sessions were ended before their time."""
        return self._stopped_s is not None

    def stop(self) -> None:
        """End all sessions as Ctrl-C does; `run` goes on until their last reports are here."""
        self._stopped_s = time.monotonic()
        for standing in self.standings.values():
            if standing.state is State.MEASURING:
                self._connection.stop(standing.node)
            elif not standing.over:
                self._end(standing, State.INTERRUPTED, "interrupted before it began")

    def _take(self, standing: Standing, answer: dict[str, Any]) -> None:
        """Go on with what a node answers."""
        if "code" in answer:
            self._hear(standing, answer)
        elif answer:
            self._meet(standing, answer)
            return
        elif self._stopped_s:  # what it was to start runs by now
            self._connection.stop(standing.node)
        if not standing.over:
            self._connection.ask(standing.node, "news", PATIENCE_S)

    def _meet(self, standing: Standing, answer: dict[str, Any]) -> None:
        """Begin on a node that has lnbench in this version."""
        if "environment" not in answer:
            there = answer.get("version")
            has = f"lnbench {there} is there" if there else f"no lnbench there: {answer['error']}"
            mend = f"pip install lnbench=={__version__} on the node"
            self._end(standing, State.FAILED, f"{has}, and {__version__} here; {mend}")
            return
        environment = msgspec.convert(answer["environment"], Environment)
        standing.machine, standing.niceness = kind(environment).name, int(answer["niceness"])
        self._environments[standing.node.id] = environment
        if not self._shard:
            self._begin(standing, environment)
            return
        standing.words = "waits for the other nodes, to share the cases"

    def _begin_shared(self) -> None:
        """Share the cases out once every node has said what it is, or has failed."""
        if not self._shard or any(
            standing.state is State.WAITING and node not in self._environments
            for node, standing in self.standings.items()
        ):
            return
        self._shard = False
        waiting = {
            node: environment
            for node, environment in self._environments.items()
            if not self.standings[node].over
        }
        self._folder.share(waiting.values())
        # The same machines have the same cases each time: a diff compares each with itself. New
        # ones go first: an old one takes on what is left when nobody else is there.
        for node, environment in sorted(
            waiting.items(), key=lambda each: (self._folder.knows(each[1]), each[1].machine_id)
        ):
            self._begin(self.standings[node], environment)

    def _begin(self, standing: Standing, environment: Environment) -> None:
        """Start the session of a node, or go on with it."""
        place = self._folder.place(environment)
        if place is None:
            self._end(standing, State.DONE, "nothing is left for it to measure")
            return
        standing.place, sent = place, dict(self._errand.files)
        words = [*self._errand.words, *(["--shard", place.part] if place.part else [])]
        if place.begun:
            sent[REPORT] = files.read(place.path)
        words += ["--resume" if place.begun else "--output", REPORT]
        standing.state, standing.words = State.MEASURING, "starts"
        self._connection.ask(standing.node, "start", words, sent, dict(self._errand.variables))

    def _hear(self, standing: Standing, answer: dict[str, Any]) -> None:
        """Keep the report of a node, and see whether it has ended."""
        place, code = standing.place, answer["code"]
        assert place is not None  # noqa: S101  (its session has begun)
        standing.words = answer["words"] or standing.words
        if answer.get("report"):
            files.replace(place.path, zlib.decompress(answer["report"]))
            place.begun = True
        if code is None:
            return
        if code == ExitCode.INTERRUPTED and self.stopped:
            self._end(standing, State.INTERRUPTED, "")
        elif code in _CAME_TO_ITS_END and place.begun:
            place.finish()
            self._end(standing, State.DONE, "")
        elif code == ExitCode.NOTHING and NO_CASES in answer["error"]:
            self._end(standing, State.DONE, "there are more nodes of its kind than cases")
        else:
            why = answer["error"].removeprefix("error: ") or f"its session ended with {code}"
            self._end(standing, State.FAILED, why)

    def _end(self, standing: Standing, state: State, words: str) -> None:
        standing.state, standing.words = state, words
        standing.seconds = time.monotonic() - standing.since
        self._connection.release(standing.node)
        place = standing.place
        if place is not None and place.begun:
            try:
                standing.rows = _counted(read_medians(place.path).outcomes)
            except LnbenchError as error:
                standing.state, standing.words = State.FAILED, error.message


def _counted(outcomes: Sequence[Outcome]) -> tuple[int, int, int]:
    """Return how many rows were measured, skipped and failed."""
    measured, skipped, failed = (
        sum(isinstance(each, kind_) for each in outcomes) for kind_ in (Measured, Skipped, Failed)
    )
    return measured, skipped, failed
