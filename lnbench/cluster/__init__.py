"""The same session on every node of a Ray cluster; only `connection` knows Ray."""
