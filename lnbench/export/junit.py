"""JUnit's XML: each row a test, wrong results its failures, crashes its errors."""

from xml.etree import ElementTree as ET

from lnbench.export.entry import Entries, Entry
from lnbench.record.outcome import Failed, Skipped, Stage
from lnbench.units import format_time, one_line


def to_junit(rows: Entries) -> bytes:
    """Return a test suite, as Jenkins, GitLab and other CI services show it."""
    report = rows[0].report
    failed = [row.outcome for row in rows if isinstance(row.outcome, Failed)]
    wrong = sum(outcome.stage is Stage.VERIFY for outcome in failed)
    counts = {
        "tests": len(rows),
        "failures": wrong,
        "errors": len(failed) - wrong,
        "skipped": sum(isinstance(row.outcome, Skipped) for row in rows),
    }
    suite = ET.Element(
        "testsuite",
        {
            "name": one_line(f"lnbench {report.suite}"),
            **{name: str(count) for name, count in counts.items()},
            "timestamp": f"{report.created:%Y-%m-%dT%H:%M:%S}",
        },
    )
    suite.extend(map(_test, rows))
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    return b"%s\n" % ET.tostring(suites, "utf-8", xml_declaration=True)


def _test(row: Entry) -> ET.Element:
    outcome = row.outcome
    test = ET.Element(
        "testcase",
        {
            "classname": one_line(f"lnbench.{outcome.operation}.{outcome.direction}"),
            "name": one_line(row.name),
            "time": _seconds(row.time.value if row.time else 0.0),
        },
    )
    if isinstance(outcome, Skipped):
        ET.SubElement(test, "skipped", message=row.reason)
    elif isinstance(outcome, Failed):
        tag = "failure" if outcome.stage is Stage.VERIFY else "error"
        ET.SubElement(test, tag, type=str(outcome.stage), message=row.reason).text = row.reason
    elif row.time:
        ET.SubElement(test, "system-out").text = f"{format_time(row.time.value)} an iteration"
    return test


def _seconds(value: float) -> str:
    """Return seconds without an exponent, which JUnit's schemas do not know."""
    return f"{value:.9f}"
