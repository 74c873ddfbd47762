"""The formats by name: a new one is a function, and an entry here."""

from collections.abc import Callable, Mapping

import msgspec

from lnbench.export import estimates, junit, openmetrics, samples, table
from lnbench.export.entry import Entries


class Format(msgspec.Struct, frozen=True):
    """A format, and what there is no place for in it."""

    export: Callable[[Entries], bytes]
    """Returns the file, of at least one row."""
    several: bool = False
    """Whether it holds more than one report."""
    unmeasured: bool = True
    """Whether it has a place for a row without a time; where not, such rows are left out."""


FORMATS: Mapping[str, Format] = {
    "csv": Format(table.to_csv, several=True),
    "parquet": Format(table.to_parquet, several=True),
    "bmf": Format(estimates.to_bmf, unmeasured=False),
    "github-action-benchmark": Format(estimates.to_github_action_benchmark, unmeasured=False),
    "pyperf": Format(samples.to_pyperf, unmeasured=False),
    "pytest-benchmark": Format(samples.to_pytest_benchmark, unmeasured=False),
    # Google writes 0 for a benchmark that failed, and its compare.py takes that for a time.
    "google-benchmark": Format(samples.to_google_benchmark, unmeasured=False),
    "otava": Format(table.to_otava, several=True, unmeasured=False),
    "junit": Format(junit.to_junit),
    "openmetrics": Format(openmetrics.to_openmetrics),
}
"""Every format by the name that `--format` has for it."""
