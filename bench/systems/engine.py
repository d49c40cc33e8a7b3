"""This project's engine, through the same modules that the zipper function runs."""

from functools import partial

from botocore.credentials import ReadOnlyCredentials

from bench.child import Run, StandIn
from bench.client import REGION, s3_client
from zipjobs.archive.engine import build_archive
from zipjobs.archive.means import EngineOptions, Means
from zipjobs.archive.names import UniqueNames, basename
from zipjobs.archive.parts import BlockPool
from zipjobs.archive.reader import ObjectReader
from zipjobs.archive.sender import PartSender
from zipjobs.archive.source import Entry, Source
from zipjobs.archive.target import Target
from zipjobs.archive.transport import Transport
from zipjobs.archive.writer import ArchiveWriter
from zipjobs.collector import settle
from zipjobs.owners import BucketOwners
from zipjobs.running.wiring import BLOCKS_BYTES
from zipjobs.wiring import S3_CONFIG

ACCOUNT_ID = "123456789012"


def prepare(stand_in: StandIn, options: EngineOptions | None = None) -> Run:
    """Make what ``zipjobs.running.wiring`` makes, for the stand-in."""
    options = options or EngineOptions()
    owners = BucketOwners(ACCOUNT_ID)
    s3 = s3_client(
        stand_in.endpoint_url,
        stand_in.ca_bundle,
        max_pool_connections=options.uploads + options.copies,
        **S3_CONFIG,
    )
    owners.watch(s3)
    lean = (stand_in.endpoint_url, REGION, lambda: ReadOnlyCredentials("bench", "bench", None))
    transport = Transport(*lean, options.probes + options.ranges, stand_in.ca_bundle)
    reader = ObjectReader(transport, expecting=owners.headers)
    sender = PartSender(
        *lean,
        options.uploads + options.copies,
        stand_in.ca_bundle,
        expecting=owners.headers,
    )
    writer, blocks = ArchiveWriter(s3, sender), BlockPool(BLOCKS_BYTES)
    settle()
    return partial(_zip, stand_in, writer, reader, blocks, options)


def _zip(
    stand_in: StandIn,
    writer: ArchiveWriter,
    reader: ObjectReader,
    blocks: BlockPool,
    options: EngineOptions,
) -> None:
    names = UniqueNames()
    entries = (
        Entry(names.claim(basename(key)), Source(stand_in.source_bucket, key))
        for key in stand_in.keys
    )
    with writer.upload(Target(stand_in.target_bucket, stand_in.target_key)) as upload:
        build_archive(entries, Means(reader, upload, blocks, options))
