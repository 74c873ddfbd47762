"""A folder of reports, one a node: how they are called, and which node goes on with which."""

import itertools
from collections import Counter
from collections.abc import Collection
from pathlib import Path

import msgspec

from lnbench.errors import ConfigError, ReportError
from lnbench.record import files
from lnbench.record.environment import Environment
from lnbench.record.kind import Kind, kind
from lnbench.record.medians import read_medians

UNFINISHED = ".part.json"
"""How the name of a report ends while it is being measured."""

GONE = ".gone"
"""What is added to the name of a part that another machine has begun anew."""


class Place(msgspec.Struct):
    """A report of a node, begun or to be begun."""

    path: Path
    """Its file."""
    kind: Kind
    """What kind of machine it is of."""
    machine_id: str
    """Which machine has begun it."""
    part: str = ""
    """Which share of the cases it has: `2/5`; empty for all."""
    begun: bool = False
    """Whether the file is there, to be gone on with."""
    taken: bool = False
    """Whether a node works on it, or has."""

    @property
    def finished(self) -> bool:
        """Whether its session came to its end."""
        return self.begun and not self.path.name.endswith(UNFINISHED)

    def finish(self) -> None:
        """Give the report the name of one that has come to its end."""
        if self.path.name.endswith(UNFINISHED) and self.path.exists():
            name = self.path.name.removesuffix(UNFINISHED) + ".json"
            self.path = self.path.rename(self.path.with_name(name))


class Folder:
    """The reports of a cluster.

    Args:
        path: the folder; it is made.
        resume: whether to go on with what is in it.
    """

    def __init__(self, path: Path, *, resume: bool) -> None:
        self.path = path
        there = sorted(path.glob("*.json")) if path.is_dir() else []
        if there and not resume:
            raise ConfigError(
                f"{path} holds reports already",
                f"go on with them: --resume {path}, or name another",
            )
        if resume and not there:
            raise ReportError(f"--resume {path}: it holds no report (*.json)", "begin one with -o")
        files.prepare(path / "x.json", force=True)
        self._places = [_read(each) for each in there]
        self._shared = False
        self._there: set[str] = set()

    @property
    def sharded(self) -> bool:
        """Whether the reports that were there are parts of the cases."""
        return any(place.part for place in self._places)

    @property
    def whole(self) -> bool:
        """Whether every report has come to its end."""
        return all(place.finished for place in self._places)

    def share(self, environments: Collection[Environment]) -> None:
        """Have nodes of one kind share the cases out, as many parts as nodes, or as there were."""
        self._shared = True
        self._there = {each.machine_id for each in environments}
        for each, count in Counter(map(kind, environments)).items():
            parts = {place.part for place in self._places if place.kind == each}
            if "" in parts:
                raise ConfigError(f"--shard: {self.path} has reports of all cases", "leave it out")
            total = int(next(iter(parts)).partition("/")[2] or 1) if parts else count
            for number in range(1, total + 1):
                if f"{number}/{total}" not in parts:
                    self._new(each, "", f"{number}/{total}")

    def place(self, environment: Environment) -> Place | None:
        """Return what a node is to measure, taken by it; None where nothing is left for it."""
        own, machine = kind(environment), environment.machine_id
        free = [
            each
            for each in self._places
            if each.kind == own and not each.taken
            if each.machine_id == machine or self._orphaned(each)
        ]
        free.sort(key=lambda each: (each.finished, each.machine_id != machine))
        chosen = next(iter(free), None)
        if chosen is not None and chosen.begun and chosen.machine_id != machine:
            # By a machine that is not there any more.
            chosen.path.rename(chosen.path.with_name(chosen.path.name + GONE))
            anew = self._new(own, machine, chosen.part)
            self._places.remove(chosen)
            chosen = anew
        elif chosen is None and not self._shared:
            chosen = self._new(own, machine)
        if chosen is not None:
            chosen.taken, chosen.machine_id = True, machine
        return chosen

    def knows(self, environment: Environment) -> bool:
        """Return whether a machine has a report here."""
        return any(each.machine_id == environment.machine_id for each in self._places)

    def _orphaned(self, place: Place) -> bool:
        """Return whether a share of the cases is nobody's who is there."""
        return self._shared and not place.finished and place.machine_id not in self._there

    def _new(self, kind_: Kind, machine_id: str, part: str = "") -> Place:
        names = {place.path.name.partition(".")[0] for place in self._places}
        numbered = (f"{kind_.slug}-{number}" for number in itertools.count(1))
        name = next(name for name in numbered if name not in names)
        place = Place(self.path / f"{name}{UNFINISHED}", kind_, machine_id, part)
        self._places.append(place)
        return place


def _read(path: Path) -> Place:
    """Return the place of a report that is there; ReportError where the file is none."""
    made = read_medians(path)
    words = made.tool.arguments
    part = words[words.index("--shard") + 1] if "--shard" in words[:-1] else ""
    environment = made.environment
    return Place(path, kind(environment), environment.machine_id, part, begun=True)
