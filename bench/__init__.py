"""Measures the engine against the original algorithm and against peers, on an S3 stand-in."""
