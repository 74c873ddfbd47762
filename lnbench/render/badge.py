"""What changed last, as a badge: SVG, or what a shields.io endpoint answers."""

from xml.sax.saxutils import escape

from lnbench.judge.history import History
from lnbench.judge.verdict import Verdict, percent
from lnbench.render.forms import json_text
from lnbench.render.history import commit_text

_COLORS = {"red": "#e05d44", "brightgreen": "#4c1", "green": "#97ca00"}
_LABEL = "lnbench"
_GLYPH = 7
"""Pixels of a letter of Verdana at 11 pixels, generously."""

_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img" aria-label="{text}">
<title>{text}</title>
<rect width="{left}" height="20" fill="#555"/>
<rect x="{left}" width="{right}" height="20" fill="{color}"/>
<g fill="#fff" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11">
<text x="6" y="14">{label}</text>
<text x="{start}" y="14">{message}</text>
</g>
</svg>
"""


def badge(history: History, suffix: str) -> str:
    """Return the newest change of the line with the newest report, as .svg or .json."""
    message, color = newest(history)
    if suffix == ".json":
        fields = {"schemaVersion": 1, "label": _LABEL, "message": message, "color": color}
        return json_text(fields)
    left, right = (_GLYPH * len(text) + 12 for text in (_LABEL, message))
    return _SVG.format(
        width=left + right,
        left=left,
        right=right,
        start=left + 6,
        label=_LABEL,
        message=escape(message),
        color=_COLORS[color],
        text=escape(f"{_LABEL}: {message}", {'"': "&quot;"}),
    )


def newest(history: History) -> tuple[str, str]:
    """Return what changed last in a few words, and a color for it."""
    line = max(history.lines, key=lambda line: max(one.created for one in line.readings))
    place = max((change.place for row in line.rows for change in row.changes), default=None)
    count = len(line.readings)
    if place is None:
        threshold = percent(history.rule.threshold)
        reports = f"{count} report{'s' * (count != 1)}"
        return f"no change of {threshold} shown in {reports}", "green"
    verdicts = [c.verdict for row in line.rows for c in row.changes if c.place == place]
    counts = {
        "slower": verdicts.count(Verdict.REGRESSED),
        "faster": verdicts.count(Verdict.IMPROVED),
    }
    said = ", ".join(f"{number} {word}" for word, number in counts.items() if number)
    message = f"{said} since {commit_text(line.readings[place])}"
    return message, "red" if counts["slower"] else "brightgreen"
