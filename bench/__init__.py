"""Measures the engine against the original algorithm and against peers, on an S3 stand-in.

``standin`` is the S3 that all of them talk to, in a process of its own; ``systems`` holds one module
per competitor, each run in a fresh process; ``run`` measures them side by side and ``report``
writes the table and the plot.
"""
