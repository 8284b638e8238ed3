"""How fast the lessons train, beside what a reader would use instead: `python -m benchmarks`."""
