"""Benchmarks: bounded, on loopback, each with a bare limit measured in the same run."""
