"""Kinds of machine: what is alike of two of them is compared, what is not never is."""

import re
from collections import Counter
from collections.abc import Iterable

import msgspec

from lnbench.record.environment import Environment
from lnbench.record.report import Report

_NOISE = re.compile(r"\((r|tm|c)\)|\b(cpu|processor|[0-9]+-core)\b|@.*", re.IGNORECASE)


class Kind(msgspec.Struct, frozen=True):
    """What machines of one kind share."""

    cpu: str
    """The name that the processor gives itself."""
    devices: tuple[str, ...]
    """Names of the accelerators."""
    memory_gib: int | None
    """Physical memory to two digits, since firmware keeps some of it; None where unknown."""
    threads: int
    """Threads that a CPU routine may use."""

    @property
    def name(self) -> str:
        """What it is called: its accelerators, or else its processor."""
        counted = Counter(self.devices).items()
        devices = (f"{count} × {name}" if count > 1 else name for name, count in counted)
        return ", ".join(devices) or " ".join(_NOISE.sub(" ", self.cpu).split())

    @property
    def slug(self) -> str:
        """Its name as part of a file's."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-") or "machine"


def kind(environment: Environment) -> Kind:
    """Return the kind of machine that an environment is of."""
    memory = environment.memory_bytes
    return Kind(
        cpu=environment.cpu.model,
        devices=tuple(environment.devices[name].name for name in sorted(environment.devices)),
        memory_gib=None if memory is None else int(float(f"{memory / 2**30:.1e}")),
        threads=environment.threads,
    )


def by_kind(reports: Iterable[Report]) -> dict[Kind, list[Report]]:
    """Return reports by the kind of machine that made them."""
    found: dict[Kind, list[Report]] = {}
    for report in reports:
        found.setdefault(kind(report.environment), []).append(report)
    return found


def called(kinds: Iterable[Kind]) -> dict[Kind, str]:
    """Return what to call each kind beside others: more than its name where two share that."""
    kinds = list(kinds)
    counts = Counter(each.name for each in kinds)
    more = {each: f" ({each.threads} threads, {each.memory_gib} GiB)" for each in kinds}
    return {each: each.name + more[each] * (counts[each.name] > 1) for each in kinds}
