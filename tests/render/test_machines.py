"""The same rows across machines: a line a kind, the median of its machines."""

import pytest
from factories import environment, failed, measured, report

from lnbench.record.environment import Cpu, Device
from lnbench.record.kind import by_kind, called, kind
from lnbench.render.machines import machines_view

EPYC = Cpu("AMD EPYC 9654 96-Core Processor", "x86_64", 96, 192, 384 * 2**20)
XEON = Cpu("Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz", "x86_64", 4, 8, 105 * 2**20)


def made(cpu, time_s, **fields):
    rows = (measured("copy", 1e-3, noise=0), measured("triton", time_s, noise=0))
    return report(*rows, environment=environment(cpu=cpu, **fields))


def test_machines_are_called_by_what_they_compute_with():
    assert kind(environment(cpu=XEON)).name == "Intel Xeon Platinum 8481C"
    assert kind(environment(cpu=EPYC)).slug == "amd-epyc-9654"
    cards = {f"cuda:{i}": Device("NVIDIA H100 80GB HBM3") for i in range(4)}
    assert kind(environment(devices=cards)).name == "4 × NVIDIA H100 80GB HBM3"


@pytest.mark.parametrize(
    "other",
    [
        {"cpu": EPYC},
        {"threads": 4},
        {"memory_bytes": 16 * 2**30},
        {"devices": {"cuda:0": Device("NVIDIA L4")}},
    ],
)
def test_what_differs_in_more_than_a_bit_of_memory_is_another_kind(other):
    usual = environment(memory_bytes=8 * 2**30)
    assert kind(usual) == kind(environment(memory_bytes=8 * 2**30 - 2**22, machine_id="other"))
    assert kind(usual) != kind(environment(**other))


def test_two_kinds_of_one_name_are_told_apart():
    kinds = by_kind([made(XEON, 1e-3), made(XEON, 1e-3, threads=4)])
    assert list(called(kinds).values()) == [
        "Intel Xeon Platinum 8481C (2 threads, 8 GiB)",
        "Intel Xeon Platinum 8481C (4 threads, 8 GiB)",
    ]


def test_each_kind_has_a_line_with_the_median_of_its_machines():
    times = {"a": 2e-3, "b": 3e-3, "c": 9e-3}
    reports = [made(XEON, time_s, machine_id=name) for name, time_s in times.items()]
    view = machines_view([*reports, made(EPYC, 4e-3)])
    assert view.head == ("Intel Xeon Platinum 8481C: 3 machines", "AMD EPYC 9654: 1 machine")
    (sheet,) = view.sheets
    assert [line.cells[1:] for line in sheet.lines] == [
        ("copy", "Intel Xeon Platinum 8481C", "1.00 ms", "–"),
        ("", "AMD EPYC 9654", "1.00 ms", "–"),
        ("triton", "Intel Xeon Platinum 8481C", "3.00 ms", "33%"),
        ("", "AMD EPYC 9654", "4.00 ms", "25%"),
    ]
    first = next(row for row in view.data if row["benchmark"].endswith("triton"))
    assert (first["machines"], first["time_s"].low, first["time_s"].high) == pytest.approx(
        (3, 2e-3, 9e-3)
    )


def test_machines_are_the_lines_of_the_charts():
    pytest.importorskip("altair")
    ids = [f"layernorm/forward/{rows}x64/float32/cpu/triton" for rows in (16, 32, 64)]
    reports = [
        report(*(measured(name, noise=0) for name in ids), environment=environment(cpu=cpu))
        for cpu in (XEON, EPYC)
    ]
    (sheet,) = machines_view(reports).sheets
    (figure,) = sheet.figures()
    lines = figure.chart.to_dict()["layer"][0]["encoding"]["color"]["scale"]["domain"]
    assert set(lines) == {"Intel Xeon Platinum 8481C", "AMD EPYC 9654"}
    assert figure.title.startswith("triton: time")


def test_a_row_that_failed_on_a_machine_is_named_with_its_reason():
    wrong = report(failed("triton", error="y is off by 1"), environment=environment(cpu=EPYC))
    view = machines_view([made(XEON, 1e-3), wrong])
    assert any("AMD EPYC 9654: layernorm" in line and "off by 1" in line for line in view.head)


def test_reports_of_one_machine_are_one_machine():
    view = machines_view([made(XEON, 1e-3), made(XEON, 2e-3)])
    assert view.head == ("Intel Xeon Platinum 8481C: 1 machine",)
