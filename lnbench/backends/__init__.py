"""Who computes: one file a backend, named only by entry points."""
