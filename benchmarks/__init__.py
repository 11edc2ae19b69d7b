"""Benchmarks: what privacy costs in time, and which SQL is answered."""
