"""The size probes of a planned job: a GET of one byte for each object."""

from functools import partial

from bench.rounds import Run, ZipTask
from bench.systems.clients import http_client
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.probe_objects import WINDOW, probe_objects
from zipjobs.s3.source import Entry, Source


def prepare(task: ZipTask) -> Run:
    """Create the reader that ``zipjobs.wiring.worker`` creates."""
    return partial(_probe, task, ObjectReader(http_client(task, WINDOW)))


def _probe(task: ZipTask, reader: ObjectReader) -> None:
    entries = (Entry(key, Source(task.source_bucket, key)) for key in task.keys)
    for _ in probe_objects(entries, reader):
        pass
