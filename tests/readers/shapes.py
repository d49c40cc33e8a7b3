"""Build archives of different shapes in files."""

import random
import shutil
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from bench.measure import control, running_simulator
from bench.s3_simulator import content
from bench.workloads import key
from tests.readers.sparse_s3 import Body, SparseReader, SparseUpload, crc_of, length_of
from tests.support.readers import Contents, Sum, Sums
from tests.support.s3_clients import http_client
from zipjobs.archive.options import BuildContext, EngineOptions
from zipjobs.archive.parts.blocks import BlockPool
from zipjobs.archive.parts.sizing import GIB, KIB, MIB
from zipjobs.archive.whole_archive import Archive, build_archive
from zipjobs.s3.multipart_upload import ArchiveWriter
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.part_upload import PartSender
from zipjobs.s3.source import Entry, Source
from zipjobs.s3.target import Target

REGION = "us-east-1"
TARGET = Target("dst", "archive.zip")
COUNT = 70_000


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def text(size: int) -> bytes:
    return b"".join(b"%d bottles of beer on the wall\n" % i for i in range(size // 30))


@dataclass(frozen=True)
class Shape:
    """The entries and options of an archive."""

    contents: Contents
    options: EngineOptions = field(default_factory=EngineOptions)


SHAPES = {
    "one empty object": Shape({"empty.pdf": b""}),
    "one entry": Shape({"one.pdf": b"one"}),
    "Unicode names": Shape(
        {
            name: name.encode()
            for name in (
                "größe.pdf",
                "e\N{COMBINING ACUTE ACCENT} combined.pdf",
                "請求書/第 1 号.pdf",
                "счёт № 7.pdf",
                "فاتورة.pdf",
                "\N{GRINNING FACE} and \N{FAMILY}\N{VARIATION SELECTOR-16}.pdf",
                "two  spaces .pdf",
            )
        }
    ),
    "copied": Shape({"copied.pdf": noise(40 * MIB)}),
    "mixed": Shape(
        {
            "small.pdf": noise(100, 1),
            "copied.pdf": noise(21 * MIB, 2),
            "empty.pdf": b"",
            "streamed.pdf": noise(13 * MIB, 3),
            "a few more/middle.pdf": noise(700 * KIB, 4),
            "copied too.pdf": noise(17 * MIB, 5),
            "last.pdf": b"last",
        }
    ),
    "deflated": Shape(
        {
            "small.txt": text(10_000),
            "empty.txt": b"",
            "large.txt": text(8 * MIB),
            "noise.bin": noise(2 * MIB),
            "middle.txt": text(300 * KIB),
        },
        EngineOptions(deflate=True),
    ),
}

HUGE: dict[str, Body] = {
    "first.pdf": b"first",
    "zeros.pdf": 4 * GIB + 5,
    "größe beyond.pdf": noise(100),
    "empty.pdf": b"",
    "last.pdf": b"last",
}


@dataclass(frozen=True)
class BuiltArchive:
    """An archive in a file, and the result of building it."""

    path: Path
    archive: Archive


def build(shape: Shape, moto: str, path: Path) -> BuiltArchive:
    """Build an archive from objects on moto."""
    with _engine(moto, shape.options, connections=16) as (s3, build_from):
        for bucket in ("src", TARGET.bucket):
            s3.create_bucket(Bucket=bucket)
        for name, body in shape.contents.items():
            s3.put_object(Bucket="src", Key=name, Body=body)
        archive = build_from(Entry(name, Source("src", name)) for name in shape.contents)
    _download(f"{moto}/{TARGET.bucket}/{TARGET.key}", path)
    return BuiltArchive(path, archive)


def build_many(path: Path) -> tuple[BuiltArchive, Sums]:
    """Build an archive with more entries than are possible without ZIP64."""
    sizes = [3] * COUNT
    bodies = [content.read(index * 7919, size) for index, size in enumerate(sizes)]
    keys = [key(index) for index in range(COUNT)]
    options = EngineOptions()
    with (
        running_simulator("default") as url,
        _engine(url, options, options.probes + options.ranges) as (_, build_from),
    ):
        control(url, "_load", {"workload": "many", "sizes": sizes, "keep": True})
        archive = build_from(Entry(name, Source("src", name)) for name in keys)
        _download(f"{url}/{TARGET.bucket}/{TARGET.key}", path)
    return BuiltArchive(path, archive), sums(dict(zip(keys, bodies, strict=True)))


def build_huge(bodies: dict[str, Body], path: Path) -> BuiltArchive:
    """Build an archive whose large bodies are zeros, in a sparse file."""
    reader: Any = SparseReader(bodies)
    upload: Any = SparseUpload(path)
    entries = [Entry(name, Source("src", name)) for name in bodies]
    options = EngineOptions()
    try:
        context = BuildContext(reader, upload, BlockPool(options.least_memory_bytes), options)
        return BuiltArchive(path, build_archive(entries, context))
    finally:
        reader.close()


def sums(bodies: dict[str, Any]) -> Sums:
    return {name: Sum(length_of(body), crc_of(body)) for name, body in bodies.items()}


@contextmanager
def _engine(
    url: str, options: EngineOptions, connections: int
) -> Iterator[tuple[Any, Callable[[Iterable[Entry]], Archive]]]:
    """Yield an S3 client, and a function that builds an archive in the minimum of memory."""
    senders = options.uploads + options.copies
    s3 = boto3.client(
        "s3",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(
            max_pool_connections=senders,
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
    reads, uploads = http_client(url, connections), http_client(url, senders)
    writer = ArchiveWriter(s3, PartSender(uploads))

    def build_from(entries: Iterable[Entry]) -> Archive:
        with writer.upload(TARGET) as upload:
            blocks = BlockPool(options.least_memory_bytes)
            return build_archive(
                entries, BuildContext(ObjectReader(reads), upload, blocks, options)
            )

    try:
        yield s3, build_from
    finally:
        reads.close()
        uploads.close()


def _download(url: str, path: Path) -> None:
    with urllib.request.urlopen(url) as response, path.open("wb") as file:
        shutil.copyfileobj(response, file)
