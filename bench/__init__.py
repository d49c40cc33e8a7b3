"""Benchmarks: the engine, the original algorithm and other tools, on an S3 simulator."""
