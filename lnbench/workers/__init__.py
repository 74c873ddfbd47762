"""Processes: what workers run under, who starts them, and who ends them."""
