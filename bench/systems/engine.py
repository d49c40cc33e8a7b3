"""This project's engine, through the same modules that the zipper function runs."""

from functools import partial

from botocore.credentials import ReadOnlyCredentials

from bench.child import Run, StandIn
from bench.client import REGION, s3_client
from zipjobs.archive.blocks import BlockPool
from zipjobs.archive.builder import build_archive
from zipjobs.archive.options import BuildContext, EngineOptions
from zipjobs.s3.bucket_owners import BucketOwners
from zipjobs.s3.client import Transport
from zipjobs.s3.multipart_upload import ArchiveWriter
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.part_upload import PartSender
from zipjobs.s3.source import Entry, Source
from zipjobs.s3.target import Target
from zipjobs.wiring.api import S3_CONFIG
from zipjobs.wiring.gc_tuning import freeze
from zipjobs.wiring.worker import BLOCKS_BYTES
from zipjobs.zipformat.member_names import UniqueNames, basename

ACCOUNT_ID = "123456789012"


def prepare(stand_in: StandIn, options: EngineOptions | None = None) -> Run:
    """Make what ``zipjobs.wiring.worker`` makes, for the stand-in."""
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
    freeze()
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
        build_archive(entries, BuildContext(reader, upload, blocks, options))
