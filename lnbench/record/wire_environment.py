"""The shape of an environment in a report file: what has a name as an object."""

import msgspec

from lnbench.record.environment import Cpu, Device, Environment


class EnvironmentRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of `Environment`, what has a name as an object."""

    python: str
    os: str
    cpu: Cpu
    memory_bytes: int | None
    packages: dict[str, str]
    devices: dict[str, Device]
    variables: dict[str, str]
    threads: int
    transparent_hugepages: str | None
    governor: str | None
    virtual: bool | None
    machine_id: str


def environment_row(environment: Environment) -> EnvironmentRow:
    """Return an environment as the file has it."""
    fields = msgspec.structs.asdict(environment)
    named = {name: dict(fields[name]) for name in ("packages", "devices", "variables")}
    return EnvironmentRow(**fields | named)


def environment_of(row: EnvironmentRow) -> Environment:
    """Return the environment that the file says."""
    fields = msgspec.structs.asdict(row)
    named = {name: tuple(fields[name].items()) for name in ("packages", "devices", "variables")}
    return Environment(**fields | named)
