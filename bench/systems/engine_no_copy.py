"""This project's engine, told to read everything."""

from bench.child import Run, StandIn
from bench.systems import engine
from zipjobs.archive.options import EngineOptions


def prepare(stand_in: StandIn) -> Run:
    """As ``engine``, without server-side copies."""
    return engine.prepare(stand_in, EngineOptions(copy=False))
