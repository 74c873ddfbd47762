"""Kinds of machine: what is alike of two of them is compared, what is not never is."""

import re
from collections import Counter

import msgspec

from lnbench.record.environment import Environment

_DIGITS = 2  # of the memory: machines of one kind differ by what their firmware keeps
_WORDS = re.compile(r"\((r|tm|c)\)|\b(cpu|processor|[0-9]+-core)\b|@.*", re.IGNORECASE)


class Kind(msgspec.Struct, frozen=True):
    """What machines of one kind share."""

    cpu: str
    """The name that the processor gives itself."""
    devices: tuple[str, ...]
    """Names of the accelerators."""
    memory_gib: int | None
    """Physical memory, to two digits; None where it is unknown."""
    threads: int
    """Threads that a CPU routine may use."""

    @property
    def name(self) -> str:
        """What it is called: its accelerators, or else its processor."""
        counted = Counter(self.devices).items()
        devices = (f"{count} × {name}" if count > 1 else name for name, count in counted)
        return ", ".join(devices) or " ".join(_WORDS.sub(" ", self.cpu).split())

    @property
    def slug(self) -> str:
        """Its name as part of a file's."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-") or "machine"

    @property
    def facts(self) -> str:
        """What else tells it from others of its name."""
        memory = "" if self.memory_gib is None else f", {self.memory_gib} GiB"
        return f"{self.threads} thread{'s' * (self.threads > 1)}{memory}"


def kind(environment: Environment) -> Kind:
    """Return the kind of machine that an environment is of."""
    memory = environment.memory_bytes
    gib = None if memory is None else memory / 2**30
    return Kind(
        cpu=environment.cpu.model,
        devices=tuple(environment.devices[name].name for name in sorted(environment.devices)),
        memory_gib=None if gib is None else int(float(f"{gib:.{_DIGITS - 1}e}")),
        threads=environment.threads,
    )


def names(kinds: list[Kind]) -> dict[Kind, str]:
    """Return what to call each kind: its name, with the other facts where two share one."""
    counts = Counter(each.name for each in dict.fromkeys(kinds))
    return {
        each: each.name if counts[each.name] == 1 else f"{each.name} ({each.facts})"
        for each in kinds
    }
