"""What is computed: one folder or file an operation, named only by entry points."""
