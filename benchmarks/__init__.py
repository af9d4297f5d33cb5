"""Scripts that print one table each: ``python -m benchmarks.<name> --help``."""
