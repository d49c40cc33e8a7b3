"""This project's engine without server-side copies: it reads all objects."""

from bench.rounds import Run, ZipTask
from bench.systems import engine
from zipjobs.archive.options import EngineOptions


def prepare(task: ZipTask) -> Run:
    """Create the engine."""
    return engine.prepare(task, EngineOptions(copy=False))
