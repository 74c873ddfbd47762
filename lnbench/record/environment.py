"""The machine, the software and the settings that a report was made with."""

import os
import platform
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from importlib import metadata
from types import MappingProxyType

import msgspec

from lnbench.record import machine

PACKAGES = ("lnbench", "torch", "triton", "numpy", "ml-dtypes", "msgspec")
PLUGIN_GROUPS = ("lnbench.backends", "lnbench.operations")

ALLOCATION = (
    "THP_MEM_ALLOC_ENABLE",
    "GLIBC_TUNABLES",
    "MALLOC_*",
    "LD_PRELOAD",
    "PYTORCH_*ALLOC_CONF",
)
"""Variables that decide how memory is got: they alone can change a result five times over."""

VARIABLES = (
    *ALLOCATION,
    "OMP_*",
    "GOMP_*",
    "KMP_*",
    "MKL_*",
    "OPENBLAS_NUM_THREADS",
    "TORCHINDUCTOR_*",
    "TORCH_COMPILE_*",
    "TRITON_*",
    "LNBENCH_AUTOTUNE",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_LAUNCH_BLOCKING",
    "PYTHONHASHSEED",
)
"""Variables that are recorded."""


class Cpu(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The processor."""

    model: str
    """The name that it gives itself."""
    architecture: str
    """Such as `x86_64`."""
    physical_cores: int
    """Physical cores that affinity and cgroup quota allow."""
    logical_cores: int
    """CPUs that affinity allows."""
    last_level_cache_bytes: int
    """All last-level caches that these reach."""


class Device(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An accelerator; a report leaves out what is unknown."""

    name: str
    """What its driver calls it."""
    driver: str = ""
    """Version of the driver; empty where it is unknown."""
    capability: str = ""
    """What it can do, such as `9.0` of CUDA; empty where the device has no such number."""
    memory_bytes: int | None = None
    """All of its memory; None where it is unknown."""
    cache_bytes: int | None = None
    """Its last-level cache; None where it is unknown."""
    processors: int | None = None
    """Its multiprocessors; None where it is unknown."""


class Environment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What may explain a difference between two reports; never a host, a user or a path."""

    python: str
    """Version of the interpreter."""
    os: str
    """Operating system, release, distribution and C library."""
    cpu: Cpu
    """The processor."""
    memory_bytes: int | None
    """Physical memory; None where it is unknown."""
    packages: dict[str, str]
    """Versions of what takes part, plug-ins included, by name."""
    devices: dict[str, Device]
    """Accelerators by the name that a case has for them: `cuda:0`."""
    variables: dict[str, str]
    """Settings by name; one that holds a path is only `set`."""
    threads: int
    """Threads that a CPU routine may use."""
    transparent_hugepages: str | None
    """`always`, `madvise` or `never`; None where the kernel has no such thing."""
    governor: str | None
    """What sets the clock of the CPU; None where it is unknown."""
    virtual: bool | None
    """Whether a hypervisor is below; None where it is unknown."""
    machine_id: str
    """A hash that tells equal machines from different ones, and nothing else."""


def collect(
    threads: int,
    devices: Mapping[str, Device] = MappingProxyType({}),
    variables: Mapping[str, str] | None = None,
    versions: Mapping[str, str] | None = None,
    patterns: Iterable[str] = (),
) -> Environment:
    """Return the environment of this process.

    Args:
        threads: how many threads a CPU routine may use.
        devices: accelerators by name, asked for elsewhere: nothing here imports torch.
        variables: the settings that workers get; None means those of this process.
        versions: versions of what takes part; None for `packages` of this process.
        patterns: names or globs of variables that they read (`Backend.variables`).
    """
    return Environment(
        python=platform.python_version(),
        os=machine.operating_system(),
        cpu=Cpu(
            machine.cpu_model(),
            platform.machine(),
            machine.physical_cores(),
            machine.logical_cores(),
            machine.last_level_cache_bytes(),
        ),
        memory_bytes=machine.memory_bytes(),
        packages=packages() if versions is None else dict(versions),
        devices=dict(devices),
        variables=_recorded(os.environ if variables is None else variables, patterns),
        threads=threads,
        transparent_hugepages=machine.transparent_hugepages(),
        governor=machine.governor(),
        virtual=machine.virtual(),
        machine_id=machine.machine_id(),
    )


class Difference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something that the two environments do not share."""

    name: str
    """What differs: `torch`, `threads`, `cuda:0 driver`, `OMP_NUM_THREADS`."""
    baseline: str
    """Its value on the baseline's side; `none` where it is not there."""
    candidate: str
    """Its value on the candidate's side."""
    serious: bool
    """Whether times are no longer comparable."""


def differences(baseline: Environment, candidate: Environment) -> tuple[Difference, ...]:
    """Return what differs, the serious ones first."""
    before, after = facts(baseline), facts(candidate)
    changed = [
        Difference(name, one, other, _serious(name))
        for name in {**before, **after}
        if (one := before.get(name, "none")) != (other := after.get(name, "none"))
    ]
    return tuple(sorted(changed, key=lambda difference: not difference.serious))


_SERIOUS = (
    *("machine", "cpu", "threads", "transparent_hugepages", "torch", "triton", "numpy"),
    *("OMP_PROC_BIND", "OMP_PLACES", "OMP_WAIT_POLICY"),
)


def _serious(name: str) -> bool:
    device = ":" in name
    return device or name in _SERIOUS or any(fnmatchcase(name, glob) for glob in ALLOCATION)


def serious_facts(environment: Environment) -> dict[str, str]:
    """Return what times depend on, by name: where it is equal, reports can be compared."""
    return {name: value for name, value in facts(environment).items() if _serious(name)}


def facts(environment: Environment) -> dict[str, str]:
    """Return all that is compared, by the name that is shown."""
    cpu = environment.cpu
    facts: dict[str, object] = {
        "machine": environment.machine_id,
        "cpu": cpu.model,
        "architecture": cpu.architecture,
        "physical cores": cpu.physical_cores,
        "logical cores": cpu.logical_cores,
        "last-level cache": cpu.last_level_cache_bytes,
        "memory": environment.memory_bytes,
        "os": environment.os,
        "python": environment.python,
        "threads": environment.threads,
        "transparent_hugepages": environment.transparent_hugepages,
        "governor": environment.governor,
        "virtual": environment.virtual,
    }
    for name, device in environment.devices.items():
        facts[f"{name} name"] = device.name
        facts[f"{name} driver"] = device.driver
    texts = {name: str(fact) for name, fact in facts.items() if fact is not None}
    return texts | environment.packages | environment.variables


def packages() -> dict[str, str]:
    """Return the versions of what matters to any time, in this interpreter, by name."""
    plugins = (
        point.dist.name
        for group in PLUGIN_GROUPS
        for point in metadata.entry_points(group=group)
        if point.dist
    )
    return installed({*PACKAGES, *plugins})


def installed(names: Iterable[str]) -> dict[str, str]:
    """Return the versions of the distributions that this interpreter has, by name."""
    versions = {}
    for name in sorted(names):
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def _recorded(variables: Mapping[str, str], patterns: Iterable[str]) -> dict[str, str]:
    globs = (*VARIABLES, *patterns)
    return {
        name: _without_paths(name, value)
        for name, value in sorted(variables.items())
        if any(fnmatchcase(name, glob) for glob in globs)
    }


def _without_paths(name: str, value: str) -> str:
    """Return a value without the paths in it: reports get committed."""
    if name == "LD_PRELOAD":
        return " ".join(part.rpartition("/")[2] for part in value.replace(":", " ").split())
    return "set" if any(mark in value for mark in "/\\~") or not value.isprintable() else value
