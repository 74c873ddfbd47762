"""What a user says on the command line, one struct a command; `cli.options` words it."""

from pathlib import Path

import msgspec

from lnbench.errors import ConfigError
from lnbench.plan.budget import LARGEST_SEED, MOST_THREADS


class SuiteFlags(msgspec.Struct, frozen=True, kw_only=True):
    """Which benchmarks: a suite, and what is said in its place."""

    suite: str = "quick"
    """A suite of benchmarks.yaml."""
    config: Path | None = None
    """The file of suites; None for ./benchmarks.yaml, or else lnbench's own."""
    operation: list[str] = []
    direction: list[str] = []
    shape: list[str] = []
    dtype: list[str] = []
    device: list[str] = []
    backend: list[str] = []
    cache: list[str] = []
    output: list[str] = []
    filter: list[str] = []
    """Globs over benchmark ids."""


class WorkerFlags(SuiteFlags, frozen=True, kw_only=True):
    """How the workers of a session run."""

    timeout: str | None = None
    """Seconds after which a silent worker counts as hung."""
    threads: int | None = None
    """Threads of every CPU backend; None for the physical cores."""
    seed: int = 0
    start_method: str | None = None

    def __post_init__(self) -> None:
        """Raise ConfigError for a number that no worker takes, whoever says it."""
        for name, most in (("threads", MOST_THREADS), ("seed", LARGEST_SEED)):
            value, least = getattr(self, name), int(name == "threads")
            whole = isinstance(value, int) and least <= value <= most
            if value is not None and not whole:
                raise ConfigError(f"{name}: {value} is no whole number from {least} to {most}")


class SessionFlags(WorkerFlags, frozen=True, kw_only=True):
    """How much a session measures, and where its report goes."""

    autotune: bool = False
    """Whether lnbench's Triton kernels try their launch configurations on the device."""
    time: str | None = None
    max_time: str | None = None
    passes: int | None = None
    report: Path | None = None
    format: str = "table"
    columns: str = ""
    """Columns of the table, with commas; empty for those that fit."""
    wide: bool = False
    """Whether the table has all columns, fit or not."""
    force: bool = False
    quiet: bool = False
    resume: Path | None = None
    dry_run: bool = False


class ProfileFlags(WorkerFlags, frozen=True, kw_only=True):
    """What `lnbench profile` is asked for; `suite` may be the id of a benchmark."""

    tool: str | None = None
    """A profiler that is started around the call, or `none`; None for lnbench's own."""
    calls: int | None = None
    """Calls in the marked range; None for as many as the profiler needs."""
    trace: Path | None = None
    """Where torch's Chrome trace goes."""
    report: Path | None = None
    """Where the tool's own report goes; None for profile and its ending."""
    format: str = "table"
    force: bool = False
    quiet: bool = False
    dry_run: bool = False


class CheckFlags(WorkerFlags, frozen=True, kw_only=True):
    """What `lnbench check` is asked for."""

    format: str = "table"
    quiet: bool = False


class RunFlags(SessionFlags, frozen=True, kw_only=True):
    """What `lnbench run` is asked for."""

    fast: bool = False
    rigorous: bool = False
    precision: str | None = None
    energy: bool = False
    """Whether the joules of a call are measured too."""
    part: str | None = None
    """The share of the cases that is measured, as `2/5`; None for all."""
    relative_to: str | None = None
    summary: bool = False
    """Whether only who is fastest is shown, in sentences."""


class AbFlags(SessionFlags, frozen=True, kw_only=True):
    """What `lnbench ab` is asked for."""

    baseline: str
    """The side to compare with."""
    candidate: str = ""
    """The side that is judged; empty where the baseline is `git:A...B`, which names both."""
    suite: str = "ci"
    threshold: str = "5%"
    alpha: str = "0.01"
    detect: str | None = None
    strict: bool = False
    only_changed: bool = False
    """Whether tables leave out rows that show no change."""


class ClusterFlags(SessionFlags, frozen=True, kw_only=True):
    """Which nodes of which Ray cluster a session runs on; its report is a folder."""

    address: str = "auto"
    nodes: list[str] = []
    """LABEL=VALUE that a node must have; empty or `all` for every node."""


class ClusterRunFlags(ClusterFlags, frozen=True, kw_only=True):
    """What `lnbench cluster run` is asked for."""

    fast: bool = False
    rigorous: bool = False
    precision: str | None = None
    shard: bool = False
    """Whether nodes of one kind share the cases out."""


class ClusterAbFlags(ClusterFlags, frozen=True, kw_only=True):
    """What `lnbench cluster ab` is asked for."""

    baseline: str
    candidate: str = ""
    suite: str = "ci"
    threshold: str = "5%"
    alpha: str = "0.01"
    detect: str | None = None
    strict: bool = False
    only_changed: bool = False


class DiffFlags(msgspec.Struct, frozen=True, kw_only=True):
    """What `lnbench diff` is asked for."""

    baseline: str
    """Reports of the side to compare with."""
    candidate: str
    """Reports of the side that is judged."""
    threshold: str = "5%"
    alpha: str = "0.01"
    detect: str | None = None
    strict: bool = False
    only_changed: bool = False
    """Whether tables leave out rows that show no change."""
    any_environment: bool = False
    format: str = "table"
    columns: str = ""
    """Columns of the table, with commas; empty for those that fit."""
    wide: bool = False
    """Whether the table has all columns, fit or not."""
    report: Path | None = None
    """Where what is shown goes; None for the screen."""


class HistoryFlags(msgspec.Struct, frozen=True, kw_only=True):
    """What `lnbench history` is asked for."""

    reports: list[str] = []
    """Files, folders or globs; empty for reports/."""
    filter: list[str] = []
    """Globs over benchmark ids."""
    since: str = ""
    """The commit that the history begins with; empty for all."""
    order: str = "commit"
    """`commit` or `date`."""
    format: str = "table"
    badge: Path | None = None
    """Where to write a badge, .svg or .json."""
    report: Path | None = None
    """Where what is shown goes; None for the screen."""


class DoctorFlags(msgspec.Struct, frozen=True, kw_only=True):
    """What `lnbench doctor` is asked for."""

    fast: bool = False
    """Whether it only looks."""
    strict: bool = False
    format: str = "table"
    report: Path | None = None
    """Where what is shown goes; None for the screen."""


class TrainFlags(msgspec.Struct, frozen=True, kw_only=True):
    """What `lnbench paper train` is asked for; lists have commas."""

    model: str = "mlp"
    normalization: str = "none,batch,layer,rms"
    batch_size: str = "128,4"
    learning_rate: str = "1e-3"
    seeds: int = 5
    """Runs of each combination."""
    steps: int | None = None
    epochs: int | None = None
    target_loss: float = 0.2
    sweep: str | None = None
    data: Path | None = None
    """A folder of MNIST; None for scikit-learn's digits."""
    plot: Path | None = None
    threads: int | None = None
    report: Path | None = None
    format: str = "table"
    force: bool = False
    quiet: bool = False
    resume: Path | None = None
