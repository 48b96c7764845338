"""Measurements: run ``python -m benchmarks`` and read ``benchmarks/README.md``."""
