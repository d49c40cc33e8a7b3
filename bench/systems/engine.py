"""This project's engine, with the modules that the zipper function uses."""

from functools import partial

from botocore.credentials import ReadOnlyCredentials

from bench.rounds import Run, ZipTask
from bench.s3_client import REGION, s3_client
from zipjobs.archive.blocks import BlockPool
from zipjobs.archive.options import BuildContext, EngineOptions
from zipjobs.archive.whole_archive import build_archive
from zipjobs.s3.bucket_owners import BucketOwners
from zipjobs.s3.client import HttpClient
from zipjobs.s3.endpoint import Endpoint
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
    endpoint = Endpoint(task.endpoint_url, REGION, task.ca_bundle)

    def client(connections: int) -> HttpClient:
        credentials = ReadOnlyCredentials("bench", "bench", None)
        return HttpClient(endpoint, lambda: credentials, connections)

    reader = ObjectReader(client(options.probes + options.ranges), expecting=owners.headers)
    sender = PartSender(client(options.uploads + options.copies), owners.headers)
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
