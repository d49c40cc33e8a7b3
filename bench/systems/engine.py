"""This project's engine, with the modules that the zipper function uses."""

from functools import partial

from bench.rounds import Run, ZipTask
from bench.s3_client import s3_client
from bench.systems.clients import http_client
from zipjobs.archive.options import BuildContext, EngineOptions
from zipjobs.archive.parts.blocks import BlockPool
from zipjobs.archive.whole_archive import build_archive
from zipjobs.s3.bucket_owners import BucketOwners
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


def prepare(task: ZipTask, options: EngineOptions | None = None) -> Run:
    """Create the objects that ``zipjobs.wiring.worker`` creates, for the S3 simulator."""
    options = options or EngineOptions()
    owners = BucketOwners(ACCOUNT_ID)
    s3 = s3_client(
        task.endpoint_url,
        task.ca_bundle,
        max_pool_connections=options.uploads + options.copies,
        **S3_CONFIG,
    )
    owners.watch(s3)
    reads = http_client(task, options.probes + options.ranges)
    reader = ObjectReader(reads, expecting=owners.headers)
    sender = PartSender(http_client(task, options.uploads + options.copies), owners.headers)
    writer, blocks = ArchiveWriter(s3, sender), BlockPool(BLOCKS_BYTES)
    freeze()
    return partial(_zip, task, writer, reader, blocks, options)


def _zip(
    task: ZipTask,
    writer: ArchiveWriter,
    reader: ObjectReader,
    blocks: BlockPool,
    options: EngineOptions,
) -> None:
    names = UniqueNames()
    entries = (
        Entry(names.claim(basename(key)), Source(task.source_bucket, key)) for key in task.keys
    )
    with writer.upload(Target(task.target_bucket, task.target_key)) as upload:
        build_archive(entries, BuildContext(reader, upload, blocks, options))
