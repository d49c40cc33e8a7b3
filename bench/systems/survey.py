"""Not an archive, but what comes before a planned one: a byte of each object, for its size."""

from functools import partial

from botocore.credentials import ReadOnlyCredentials

from bench.child import Run, StandIn
from bench.client import REGION
from zipjobs.s3.client import Transport
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.probe_objects import WINDOW, probe_objects
from zipjobs.s3.source import Entry, Source


def prepare(stand_in: StandIn) -> Run:
    """Make a reader, as ``zipjobs.wiring.worker`` does."""
    transport = Transport(
        stand_in.endpoint_url,
        REGION,
        lambda: ReadOnlyCredentials("bench", "bench", None),
        WINDOW,
        stand_in.ca_bundle,
    )
    return partial(_ask, stand_in, ObjectReader(transport))


def _ask(stand_in: StandIn, reader: ObjectReader) -> None:
    entries = (Entry(key, Source(stand_in.source_bucket, key)) for key in stand_in.keys)
    for _ in probe_objects(entries, reader):
        pass
