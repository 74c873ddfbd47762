"""Views as one HTML file that needs no network: charts, tables, environment and the report."""

import base64
import gzip
from collections.abc import Sequence

import msgspec

from lnbench.render.forms import json_text
from lnbench.render.picture import inline_svg, require
from lnbench.render.sheet import Sheet, View, grouped
from lnbench.units import one_line

_KINDS = {"time": "time", "bandwidth": "GB/s", "copy": "% of copy", "passes": "passes"}
"""What stands on the tabs of charts."""


class _Chart(msgspec.Struct, frozen=True):
    title: str
    svg: str


def page(views: Sequence[View]) -> str:
    """Return views below each other as one page; every text is shown as it is."""
    require()
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("lnbench", "render"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: one_line(value) if type(value) is str else value,
    )
    template = environment.get_template("page.html.jinja")
    return template.render(views=views, charts=_charts, download=_download) + "\n"


def _charts(sheet: Sheet) -> dict[str, list[_Chart]]:
    """Return the charts of a sheet by the name of their tab."""
    kinds = grouped(sheet.figures(), lambda figure: _KINDS.get(figure.kind, figure.kind))
    metrics = [kind for kind in kinds if kind != "passes"]
    if all(len(kinds[kind]) == 1 for kind in metrics):  # they have room beside each other
        kinds = {"charts": [kinds.pop(kind)[0] for kind in metrics], **kinds}
    return {
        kind: [_Chart(figure.title, inline_svg(figure.chart)) for figure in figures]
        for kind, figures in kinds.items()
        if figures
    }


def _download(view: View) -> str:
    """Return the JSON behind a view, packed: a report is mostly digits."""
    document = view.document() if view.document else json_text(view.data).encode()
    return base64.b64encode(gzip.compress(document, mtime=0)).decode()
