"""Whether a machine was too busy for its times to be trusted, in one line."""

from collections.abc import Iterator

from msgspec import UNSET, UnsetType

from lnbench.judge.diff import Diff
from lnbench.record.busy import OTHERS, STOLEN, THROTTLED, Busy
from lnbench.units import format_percent


def busy_lines(busy: Busy | UnsetType) -> tuple[str, ...]:
    """Return what took the CPUs from a session, in a line; nothing where that is little."""
    text = _disturbances(busy)
    return (f"the machine was busy: {text}",) if text else ()


def busy_sides(diff: Diff) -> Iterator[tuple[str, str]]:
    """Yield what took the CPUs from the sides of a diff; once where they are of one session."""
    sides = {"baseline": diff.baseline, "candidate": diff.candidate}
    texts = {name: text for name, side in sides.items() if (text := _disturbances(side.busy))}
    if diff.baseline.text and texts:  # a side of one session has a name
        yield "busy", texts["baseline"]
    else:
        yield from (("busy", f"{name}: {text}") for name, text in texts.items())


def _disturbances(busy: Busy | UnsetType) -> str:
    """Return `other processes took 38% of 2 CPUs, 3% was stolen by the hypervisor`."""
    if busy is UNSET or not busy.seconds:
        return ""
    limits = (
        (busy.others_s, OTHERS, "other processes took {}"),
        (busy.steal_s, STOLEN, "{} was stolen by the hypervisor"),
        (busy.throttled_s, THROTTLED, "{} was withheld by a cgroup limit"),
    )
    of = f" of {busy.cpus} CPU{'s' if busy.cpus != 1 else ''}"
    texts = []
    for cpu_s, limit, text in limits:
        share = 0.0 if cpu_s is UNSET else cpu_s / (busy.seconds * busy.cpus)
        if share > limit:
            texts.append(text.format(format_percent(share) + of))
            of = ""
    return ", ".join(texts)
