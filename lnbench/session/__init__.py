"""Who is measured when."""
