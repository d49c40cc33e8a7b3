"""This project's engine, through the same modules that the zipper function runs."""

from functools import partial

from botocore.credentials import ReadOnlyCredentials

from bench.child import Run, StandIn
from bench.client import REGION, s3_client
from zipjobs.archive.buffers import PartBuffers
from zipjobs.archive.engine import EngineOptions, build_archive
from zipjobs.archive.names import UniqueNames, basename
from zipjobs.archive.reader import ObjectReader
from zipjobs.archive.source import Entry, Source
from zipjobs.archive.transport import Transport
from zipjobs.archive.writer import ArchiveWriter, Target
from zipjobs.wiring import PART_BUFFER_BYTES, S3_CONFIG


def prepare(stand_in: StandIn, options: EngineOptions | None = None) -> Run:
    """Make what ``zipjobs.wiring`` makes, for the stand-in."""
    options = options or EngineOptions()
    s3 = s3_client(
        stand_in.endpoint_url,
        stand_in.ca_bundle,
        max_pool_connections=options.uploads + options.copies,
        **S3_CONFIG,
    )
    transport = Transport(
        endpoint_url=stand_in.endpoint_url,
        region=REGION,
        credentials=lambda: ReadOnlyCredentials("bench", "bench", None),
        max_connections=options.probes + options.ranges,
        ca_bundle=stand_in.ca_bundle,
    )
    buffers = PartBuffers(PART_BUFFER_BYTES)
    return partial(_zip, stand_in, ArchiveWriter(s3), ObjectReader(transport), buffers, options)


def _zip(
    stand_in: StandIn,
    writer: ArchiveWriter,
    reader: ObjectReader,
    buffers: PartBuffers,
    options: EngineOptions,
) -> None:
    names = UniqueNames()
    entries = (
        Entry(names.claim(basename(key)), Source(stand_in.source_bucket, key))
        for key in stand_in.keys
    )
    with writer.upload(Target(stand_in.target_bucket, stand_in.target_key)) as upload:
        build_archive(entries, reader, upload, buffers, options)
