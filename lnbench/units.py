"""Seconds, bytes, rates and ratios as text; inside lnbench only base units exist."""

import math
import re

_TIME_SCALES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_ENERGY_SCALES = ((1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ"), (1e-9, "nJ"))
_PLAIN_BELOW = 1e6
_BYTE_SCALES = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))


def format_time(seconds: float, digits: int = 3) -> str:
    """Return a time with `digits` significant figures in its own scale: 0.00131 → '1.31 ms'."""
    return _scaled(seconds, _TIME_SCALES, digits)


def format_energy(joules: float) -> str:
    """Return an energy in its own scale: 0.00131 → '1.31 mJ'."""
    return _scaled(joules, _ENERGY_SCALES, 3)


def _scaled(value: float, scales: tuple[tuple[float, str], ...], digits: int) -> str:
    for scale, unit in scales:
        # 0.9995 ms rounds to 1000 µs with three figures: take the larger unit there.
        if abs(value) >= scale * (1 - 0.5 * 10**-digits):
            return f"{significant(value / scale, digits)} {unit}"
    scale, unit = scales[-1]
    return f"{significant(value / scale, digits)} {unit}"


def format_bytes(size: float) -> str:
    """Return a size in binary units: 8388608 → '8 MiB'."""
    for scale, unit in _BYTE_SCALES:
        if abs(size) >= scale:
            return f"{significant(size / scale, 3)} {unit}"
    return "0 B"


def format_percent(share: float, digits: int = 0) -> str:
    """Return a share as a percentage: 0.05 → '5%'."""
    return f"{share * 100:.{digits}f}%"


_MINUTE_S = 60


def format_duration(seconds: float) -> str:
    """Return a wall-clock span for people: 75 → '1 min 15 s'."""
    whole = max(0, round(seconds))
    if whole < _MINUTE_S:
        return f"{whole} s"
    minutes, rest = divmod(whole, _MINUTE_S)
    if minutes < 60:  # noqa: PLR2004  (an hour)
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min"


def significant(value: float, digits: int) -> str:
    """Return `value` with `digits` significant figures and no exponent below a million."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    text = f"{value:#.{digits}g}"
    if "e" in text and 1 <= abs(value) < _PLAIN_BELOW:
        text = f"{float(text):.0f}"
    return text.removesuffix(".")


def one_line(text: str) -> str:
    """Return a text without line ends and without what would steer a terminal or a CI service.

    GitHub takes `::` at the beginning of a printed line, and `##[` anywhere, for commands.
    """
    return " ".join(harmless(text).split())


def harmless(text: str) -> str:
    """Return a text with a blank for what cannot be seen, and other marks for commands."""
    seen = "".join(c if c.isprintable() else " " for c in text)
    return seen.replace("::", "∷").replace("##[", "# #[")


def is_name(text: str) -> bool:
    """Return whether a text can name a backend or operation: it is seen, and splits no id."""
    return bool(text) and one_line(text) == text and not set(text) & set(" /;,")


_PLAIN = str.maketrans(
    {"★": "*", "±": "+-", "×": "x", "÷": "/", "µ": "u", "–": "-", "·": "|", "…": "...", "→": "->"}
    | {
        "─": "-",
        "∷": ": :",
        "τ": "tau",
        "“": '"',
        "”": '"',
        "‘": "'",
        "’": "'",
        "²": "2",
        "⁰": "0",
        "¹": "1",
        "³": "3",
    }
    | {chr(0x2070 + digit): str(digit) for digit in range(4, 10)}
)


def plain(text: str) -> str:
    """Return a text in ASCII, for a terminal that shows nothing else."""
    return text.translate(_PLAIN).encode("ascii", "replace").decode()


_NUMBER = r"[-+]?(?:nan|inf|[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)"
_SECONDS = {"": 1, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}


def parse_percent(text: str | float) -> float:
    """Return the share that '5%', '5 %' or 0.05 says; ValueError where it says none."""
    text = str(text).strip()
    match = re.fullmatch(rf"({_NUMBER})\s*(%?)", text)
    if match is None or match[1].startswith("-"):
        raise ValueError(f"'{text}' is not a share; write it like 5% or 0.05")
    share = float(match[1]) / (100 if match[2] else 1)
    if share >= 1 and not match[2]:
        raise ValueError(f"'{text}' would be {100 * share:g} %; write {text}%, or 0.05")
    return share


def parse_seconds(text: str | float) -> float:
    """Return the seconds that '5s', '2min', '1h' or 5 say; ValueError where it says none."""
    match = re.fullmatch(rf"\s*({_NUMBER})\s*([a-z]*)\s*", str(text).lower())
    if match is None or match[2] not in _SECONDS:
        raise ValueError(f"'{text}' is not a time; write it like 5, 5s, 2min or 1h")
    return float(match[1]) * _SECONDS[match[2]]
