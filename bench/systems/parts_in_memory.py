"""Upload parts that are complete in memory with the data plane's client."""

from bench.rounds import Run, ZipTask
from bench.systems import parts


def prepare(task: ZipTask) -> Run:
    """Create the sender and its threads."""
    return parts.prepare(task, in_memory=True)
