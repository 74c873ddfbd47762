"""How a time is taken."""
