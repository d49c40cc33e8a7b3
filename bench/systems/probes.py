"""The size probes of a planned job: a GET of one byte for each object."""

from functools import partial

from botocore.credentials import ReadOnlyCredentials

from bench.rounds import Run, ZipTask
from bench.s3_client import REGION
from zipjobs.s3.client import HttpClient
from zipjobs.s3.endpoint import Endpoint
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.probe_objects import WINDOW, probe_objects
from zipjobs.s3.source import Entry, Source


def prepare(task: ZipTask) -> Run:
    """Create the reader that ``zipjobs.wiring.worker`` creates."""
    client = HttpClient(
        Endpoint(task.endpoint_url, REGION, task.ca_bundle),
        lambda: ReadOnlyCredentials("bench", "bench", None),
        WINDOW,
    )
    return partial(_probe, task, ObjectReader(client))


def _probe(task: ZipTask, reader: ObjectReader) -> None:
    entries = (Entry(key, Source(task.source_bucket, key)) for key in task.keys)
    for _ in probe_objects(entries, reader):
        pass
