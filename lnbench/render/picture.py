"""Charts as SVG, PNG and PDF, without a browser."""

import importlib.util
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lnbench.errors import ConfigError
from lnbench.record import files
from lnbench.render.sheet import View
from lnbench.units import one_line

SUFFIXES = (".svg", ".png", ".pdf")
"""What `--plot` writes, by the end of the name."""

_COLUMNS = 3
"""Charts beside each other in one picture."""

_PIXELS_A_POINT = 2

_LINE = "#80808040"

_SLIMMER = (
    (r'<path class="(?:back|fore)ground"[^>]*/>', ""),  # frames that nothing is drawn of
    (r' xmlns(:\w+)?="[^"]*"', ""),
    (r' (?:class|pointer-events|font-family)="[^"]*"', ""),
    (r' (?:opacity|stroke-width)="1"| role="graphics-symbol"| font-weight="normal"', ""),
    (r"(translate\([^)]*?\.\d)\d+", r"\1"),
    (r"(translate\([^)]*?\.\d,[^)]*?\.\d)\d+", r"\1"),
)
"""What a page does without, as it has many charts: a third of their bytes."""


def check(path: Path | None) -> None:
    """Raise ConfigError or ReportError where a picture could not be written to a path."""
    if path is None:
        return
    if path.suffix not in SUFFIXES:
        raise ConfigError(f"--plot: {path.name} ends in none of {', '.join(SUFFIXES)}")
    require()
    files.prepare(path, force=True)


def require() -> None:
    """Raise ConfigError where what draws is not installed."""
    for module, name in {
        "altair": "Altair",
        "vl_convert": "vl-convert",
        "jinja2": "Jinja2",
    }.items():
        if importlib.util.find_spec(module) is None:
            raise ConfigError(
                f"pictures are drawn by {name}, which is not installed",
                "pip install 'lnbench[plot]'",
            )


def inline_svg(chart: Any) -> str:
    """Return a chart as a part of a page: in the page's colours, and as wide as it has room."""
    import vl_convert

    svg: str = vl_convert.vegalite_to_svg(_specification(chart, "currentColor", None))
    for pattern, text in _SLIMMER:
        svg = re.sub(pattern, text, svg)
    return re.sub(
        r'(<svg [^>]*?) width="(\d+)" height="\d+"', r'\1 style="max-width:\2px"', svg, count=1
    )


def save(view: View, path: Path, kind: str = "") -> None:
    """Write the charts of a view as one picture on white; the end of the name says the format.

    ConfigError where there is nothing to draw, ReportError where the file cannot be written.

    Args:
        view: what is drawn.
        path: where it goes.
        kind: which figures; empty for all.
    """
    import altair as alt
    import vl_convert

    titled = [
        figure.chart.properties(title=[one_line(sheet.title), figure.title])
        for sheet in view.sheets
        for figure in sheet.figures()
        if kind in ("", figure.kind)
    ]
    if not titled:
        raise ConfigError(
            f"--plot: there is nothing to draw of {kind or 'this report'}",
            "--metric time, bandwidth and copy are drawn, of rows that were measured",
        )
    whole = alt.concat(*titled, columns=_COLUMNS)
    whole = whole.resolve_scale(color="independent", shape="independent", strokeDash="independent")
    specification = _specification(whole, "#222222", "white")
    forms: Mapping[str, Callable[[], str | bytes]] = {
        ".svg": lambda: vl_convert.vegalite_to_svg(specification),
        ".png": lambda: vl_convert.vegalite_to_png(specification, scale=_PIXELS_A_POINT),
        ".pdf": lambda: vl_convert.vegalite_to_pdf(specification),
    }
    made = forms[path.suffix]()
    files.replace(path, made.encode() if isinstance(made, str) else made)


def _specification(chart: Any, ink: str, background: str | None) -> dict[str, Any]:
    """Return what Vega-Lite draws, with text in one colour and no font but the reader's."""
    text = {"labelColor": ink, "titleColor": ink, "labelFontWeight": "normal"}
    made: dict[str, Any] = chart.to_dict()
    made["config"] = {
        "background": background,
        "font": "sans-serif",
        "view": {"stroke": None},
        "title": {"color": ink, "anchor": "start", "fontSize": 13},
        "axis": {
            **text,
            "gridColor": _LINE,
            "domainColor": _LINE,
            "tickColor": _LINE,
            "titleFontWeight": "normal",
        },
        "legend": {
            **text,
            "orient": "bottom",
            "columns": 3,
            "labelLimit": 240,
            "symbolLimit": 40,
            "symbolOpacity": 1,
        },
    }
    return made
