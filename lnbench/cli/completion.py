"""Names that the shell completes; none of it imports a plug-in."""


def suites(incomplete: str) -> list[str]:
    """Return the suites that would be used here."""
    from lnbench.errors import LnbenchError
    from lnbench.plan import suite

    try:
        names = suite.load().names()
    except LnbenchError:
        return []
    return [name for name in names if name.startswith(incomplete)]


def backends(incomplete: str) -> list[str]:
    """Return the installed backends; of a list with commas, the last name is completed."""
    from lnbench.registry import backend_names

    return _last_of_list(incomplete, backend_names())


def operations(incomplete: str) -> list[str]:
    """Return the installed operations."""
    from lnbench.registry import operation_names

    return _last_of_list(incomplete, operation_names())


def directions(incomplete: str) -> list[str]:
    """Return the directions."""
    return _last_of_list(incomplete, ("forward", "backward", "step"))


def dtypes(incomplete: str) -> list[str]:
    """Return the element types."""
    return _last_of_list(incomplete, ("float64", "float32", "float16", "bfloat16"))


def judged_formats(incomplete: str) -> list[str]:
    """Return the formats of `diff` and `ab`."""
    from lnbench.cli.verdict_options import FORMATS

    return [name for name in FORMATS if name.startswith(incomplete)]


def sides(incomplete: str) -> list[str]:
    """Return the kinds of sides, and after `backend:` the installed backends."""
    from lnbench.registry import backend_names

    known = [*(f"backend:{name}" for name in backend_names()), "git:", "pip:", "python:"]
    return [side for side in known if side.startswith(incomplete)]


def _last_of_list(incomplete: str, names: tuple[str, ...]) -> list[str]:
    head, comma, last = incomplete.rpartition(",")
    return [f"{head}{comma}{name}" for name in names if name.startswith(last)]
