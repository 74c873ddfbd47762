"""A plug-in whose import fails."""

raise ImportError("libmissing.so is missing")
