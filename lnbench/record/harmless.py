"""Texts without folders of the machine: reports get committed."""

import os
import re

# The folders of a path that begins at the root, at ~ or at a drive; the last name is kept. An id
# such as layernorm/forward/… begins with a letter and stays, and so does a web address.
_FOLDERS = re.compile(
    r"(?<![\w./~-])(?:~?/(?:[^\s/'\",:;()<>]+/)+|~/|[A-Za-z]:[\\/](?:[^\s/\\'\",:;()<>]+[\\/])*)"
)


def harmless(text: str) -> str:
    """Return a text without folders of the machine, and such that a file can hold it."""
    if any(mark in text for mark in "/\\~"):
        home = os.path.expanduser("~")  # noqa: PTH111  (Path.home raises where there is none)
        if len(home) > 1:
            text = re.sub(re.escape(home) + r"(?![\w-])", "~", text)
        while (shorter := _FOLDERS.sub("", text)) != text:
            text = shorter
    # An undecodable file name has halves of surrogates, for which UTF-8 has no bytes.
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
