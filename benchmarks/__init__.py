"""Benchmarks: ratios to a named reference, measured in one run. `RESULTS.md` holds what was found."""
