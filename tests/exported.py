"""A report of every kind of row, and what it is in a format."""

from factories import benchmark, failed, measured, report, skipped

from lnbench.export.entry import entries
from lnbench.export.formats import FORMATS
from lnbench.record.outcome import Failed, Stage

CASE = "layernorm/forward/4096x1024/float32/cpu"
COLD = f"{CASE}/copy;cache=cold"
HOSTILE = '=cmd|"x"!A1 <b>&amp; ]]> C:\\new "quoted\\", {a="b"} \n line \x00 two ::error::'


def made(factor=1.0, **fields):
    """A report of every kind of row: with an interval, without, wrong, crashed and skipped."""
    return report(
        measured("numpy", 2e-3 * factor),
        measured(COLD, 5e-4 * factor, passes=2),
        failed("torch-compile", HOSTILE),
        Failed.of(benchmark("liger"), stage=Stage.MEASURE, error="killed by SIGSEGV"),
        skipped("quack", "-needs <CUDA>"),
        **fields,
    )


def exported(name, *reports):
    rows = [row for one in reports or [made()] for row in entries(one)]
    return FORMATS[name].export(rows).decode()
