"""Whole archives, built on moto and read by Python's zipfile."""

import hashlib
import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.integration.conftest import Put
from tests.support.examples import examples
from tests.support.s3_clients import client_error
from zipjobs.archive.options import BuildContext, EngineOptions, Progress
from zipjobs.archive.parts.blocks import BlockPool
from zipjobs.archive.parts.sizing import MIB, PartSizing
from zipjobs.archive.whole_archive import Archive, build_archive
from zipjobs.errors import InvalidRequest, ServiceUnavailable, SourceChanged, SourceNotFound
from zipjobs.s3.http.client import HttpClient
from zipjobs.s3.multipart_upload import ArchiveWriter
from zipjobs.s3.object_reader import ObjectReader, Read, Sink
from zipjobs.s3.part_upload import PartSender
from zipjobs.s3.source import Entry, ObjectVersion, Source
from zipjobs.s3.target import Target

TARGET = Target("dst", "zips/a.zip")
LARGE = 10 * MIB
SMALL_PARTS = PartSizing(
    large_bytes=LARGE, copy_part_bytes=5 * MIB, early_end_entries=2, early_end_bytes=5 * MIB
)
SMALLEST = EngineOptions(probes=3, ranges=4, uploads=2, copies=2, sizing=SMALL_PARTS)
STREAMING = replace(SMALLEST, sizing=replace(SMALL_PARTS, growth=1, large_bytes=50 * MIB))
"""S3 copies nothing, most parts are sent while they grow, and larger bodies are read twice."""

WAYS = {
    "copying": SMALLEST,
    "reading": replace(SMALLEST, copy=False),
    "streaming": STREAMING,
    "default": EngineOptions(),
}

Build = Callable[..., Archive]


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def entries_for(contents: Iterable[str]) -> list[Entry]:
    return [Entry(name, Source("src", name)) for name in contents]


def put_sizes(put: Put, sizes: list[int]) -> list[Entry]:
    """Store objects of random bytes and return their entries."""
    for number, size in enumerate(sizes):
        put(f"{number}.pdf", noise(size, number))
    return entries_for(f"{number}.pdf" for number in range(len(sizes)))


@pytest.fixture
def build(s3: Any, http: HttpClient, sender: PartSender) -> Build:
    """Return a function that builds an archive with the smallest possible memory."""

    def run(
        entries: Iterable[Entry],
        options: EngineOptions = SMALLEST,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        s3: Any = s3,
    ) -> Archive:
        s3.delete_object(Bucket=TARGET.bucket, Key=TARGET.key)
        blocks = BlockPool(options.least_memory_bytes)
        reader = ObjectReader(http)
        with ArchiveWriter(s3, sender).upload(TARGET) as upload:
            return build_archive(
                entries, BuildContext(reader, upload, blocks, options, on_progress)
            )

    return run


def download(s3: Any) -> bytes:
    body: bytes = s3.get_object(Bucket=TARGET.bucket, Key=TARGET.key)["Body"].read()
    return body


def digest(s3: Any) -> bytes:
    return hashlib.sha256(download(s3)).digest()


def contents_of(s3: Any) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(download(s3))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


SHAPES: dict[str, list[int]] = {
    "one small entry": [10],
    "one empty entry": [0],
    "small entries": [1, 100, 70_000, 0, 3 * MIB],
    "exactly one part": [5 * MIB],
    "one byte more than a part": [5 * MIB + 1],
    "many entries": [size % 7 for size in range(200)],
    "one large entry": [23 * MIB],
    "large entries in a row": [12 * MIB, 11 * MIB, 13 * MIB],
    "a mix": [100, 9 * MIB, 0, 200, 6 * MIB, 3 * MIB, 3 * MIB, 12 * MIB, 1],
}


@pytest.mark.parametrize("sizes", SHAPES.values(), ids=SHAPES)
def test_every_option_builds_the_same_archive_in_order(
    s3: Any, put: Put, build: Build, sizes: list[int]
) -> None:
    entries = put_sizes(put, sizes)
    digests = set()
    for options in WAYS.values():
        archive = build(entries, options)
        data = download(s3)
        assert (archive.entries, archive.source_bytes) == (len(sizes), sum(sizes))
        assert (archive.size, archive.crc32) == (len(data), zlib.crc32(data))
        digests.add(hashlib.sha256(data).digest())
    assert len(digests) == 1
    found = contents_of(s3)
    assert list(found) == [entry.name for entry in entries]
    assert all(found[f"{i}.pdf"] == noise(size, i) for i, size in enumerate(sizes))


@examples(15)
@given(st.lists(st.sampled_from([0, 1, 1000, 4 * MIB, 5 * MIB, 8 * MIB]), min_size=1, max_size=8))
def test_any_order_of_sizes_fits_into_the_smallest_memory(
    s3: Any, put: Put, build: Build, sizes: list[int]
) -> None:
    build(put_sizes(put, sizes))
    found = contents_of(s3)
    assert all(found[f"{i}.pdf"] == noise(size, i) for i, size in enumerate(sizes))


def test_a_copied_object_has_the_time_in_its_metadata(s3: Any, build: Build) -> None:
    s3.put_object(Bucket="src", Key="a.pdf", Body=noise(LARGE), Metadata={"mtime": "1700000000.5"})
    assert build(entries_for(["a.pdf"])).copied_bytes
    body = s3.get_object(Bucket=TARGET.bucket, Key=TARGET.key)["Body"].read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        extra = archive.getinfo("a.pdf").extra
    assert extra == struct.pack("<HHBi", 0x5455, 5, 1, 1_700_000_000)


def test_tiny_entries_count_before_their_part_is_sent(
    put: Put, build: Build, faults: FaultInjector
) -> None:
    seen: list[Progress] = []
    entries = put_sizes(put, [1] * 40)
    faults.install(
        FaultPlan.parse(
            """
            faults:
            - {service: s3, operation: GetObject, key: "*39.pdf", latency: 1}
            """
        )
    )
    build(entries, EngineOptions(progress_seconds=0.01), on_progress=seen.append)
    assert any(done.entries and not done.source_bytes for done in seen)


def test_progress_only_grows(put: Put, build: Build) -> None:
    sizes = [100, 9 * MIB, 6 * MIB, 0, 10]
    seen: list[Progress] = []
    options = EngineOptions(progress_seconds=0.001)
    build(put_sizes(put, sizes), options, on_progress=seen.append)
    assert len({progress.source_bytes for progress in seen}) > 1
    assert seen == sorted(seen, key=lambda progress: (progress.entries, progress.source_bytes))
    assert seen[-1].source_bytes <= sum(sizes)


def test_an_empty_list_is_refused(build: Build, uploads: Callable[[], list[Any]]) -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        build([])
    assert uploads() == []


@pytest.mark.parametrize("position", [0, 3, 7])
def test_a_missing_source_is_an_error_and_leaves_no_upload(
    put: Put, build: Build, uploads: Callable[[], list[Any]], position: int
) -> None:
    entries = put_sizes(put, [6 * MIB] * 7)
    entries[position:position] = entries_for(["missing.pdf"])
    with pytest.raises(SourceNotFound, match="missing.pdf"):
        build(entries)
    assert uploads() == []


@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_a_changed_source_is_an_error_and_leaves_no_upload(
    s3: Any,
    http: HttpClient,
    sender: PartSender,
    put: Put,
    uploads: Callable[[], list[Any]],
    options: EngineOptions,
) -> None:
    class Changes:
        """A sink that replaces the object when it is found."""

        def __init__(self, sink: Sink) -> None:
            self._sink = sink

        def __getattr__(self, name: str) -> Any:
            return getattr(self._sink, name)

        def found(self, pinned: ObjectVersion, length: int) -> None:
            put(pinned.source.key, noise(pinned.size, 99))
            self._sink.found(pinned, length)

    class ChangesWhenFound(ObjectReader):
        def read(
            self,
            source: Source,
            first: int,
            length: int,
            sink: Sink,
            etag: str | None,
            *,
            flows: bool = False,
        ) -> Read:
            changes: Any = sink if etag is not None else Changes(sink)
            return super().read(source, first, length, changes, etag, flows=flows)

    put("a.pdf", noise(20 * MIB))
    reader = ChangesWhenFound(http)
    blocks = BlockPool(options.least_memory_bytes)
    with (
        pytest.raises(SourceChanged, match="a.pdf"),
        ArchiveWriter(s3, sender).upload(TARGET) as upload,
    ):
        build_archive(entries_for(["a.pdf"]), BuildContext(reader, upload, blocks, options))
    assert uploads() == []


REFUSALS: dict[str, dict[str, Any]] = {
    "access denied": {"side_effect": client_error("AccessDenied", 403)},
    "another region": {"side_effect": client_error("InvalidRequest", 400)},
    "no checksum": {"return_value": {"CopyPartResult": {"ETag": '"e"'}}},
}


def test_ranges_that_s3_does_not_copy_are_read(s3: Any, put: Put, build: Build) -> None:
    entries = put_sizes(put, [100, 21 * MIB, 12 * MIB, 3 * MIB])
    assert build(entries).copied_bytes > 20 * MIB
    expected = digest(s3)
    for name, refusal in REFUSALS.items():
        with patch.object(s3, "upload_part_copy", **refusal):
            assert build(entries).copied_bytes == 0, name
        assert digest(s3) == expected, name


def test_a_throttled_copy_is_retried(s3: Any, put: Put, build: Build) -> None:
    put("large.pdf", noise(21 * MIB))
    slow = client_error("SlowDown", 503)
    real, errors = s3.upload_part_copy, iter([slow, slow])

    def copy(**arguments: Any) -> Any:
        if error := next(errors, None):
            raise error
        return real(**arguments)

    with (
        patch.object(s3, "upload_part_copy", copy),
        patch("zipjobs.s3.multipart_upload.time.sleep"),
    ):
        archive = build(entries_for(["large.pdf"]))
    assert archive.copied_bytes > 15 * MIB


def test_an_interrupted_read_instead_of_a_copy_is_resumed(
    s3: Any, put: Put, build: Build, faults: FaultInjector
) -> None:
    put("large.pdf", noise(21 * MIB))
    build(entries_for(["large.pdf"]))
    expected = digest(s3)
    faults.install(
        FaultPlan.parse(
            """
            faults:
            - {operation: UploadPartCopy, caller: client, error: {code: AccessDenied, status: 403}}
            - {operation: GetObject, caller: client, nth: [2, 3, 4], cut: 3000000}
            """
        )
    )
    archive = build(entries_for(["large.pdf"]))
    assert sum("cut" in injected.effect for injected in faults.injected) > 1
    assert (archive.copied_bytes, digest(s3)) == (0, expected)


def test_at_most_5_mib_of_a_copied_object_are_read(put: Put, build: Build) -> None:
    put("large.pdf", noise(40 * MIB))
    archive = build(entries_for(["large.pdf"]))
    assert archive.source_bytes - archive.copied_bytes <= 5 * MIB


def test_an_error_of_the_progress_callback_stops_the_build(
    put: Put, build: Build, uploads: Callable[[], list[Any]]
) -> None:
    def fail(progress: Progress) -> None:
        raise ServiceUnavailable("enough")

    options = EngineOptions(progress_seconds=0.001)
    with pytest.raises(ServiceUnavailable, match="enough"):
        build(put_sizes(put, [6 * MIB] * 6), options, on_progress=fail)
    assert uploads() == []


def test_too_little_memory_is_refused(s3: Any, reader: ObjectReader, sender: PartSender) -> None:
    with (
        ArchiveWriter(s3, sender).upload(TARGET) as upload,
        pytest.raises(ValueError, match="the engine needs"),
    ):
        build_archive([], BuildContext(reader, upload, BlockPool(20 * MIB), SMALLEST))


def test_deflated_bodies_are_smaller_and_complete(s3: Any, put: Put, build: Build) -> None:
    def text(size: int) -> bytes:
        return b"".join(b"%d bottles of beer on the wall\n" % i for i in range(size // 30))

    contents = {
        "large.txt": text(24 * MIB),
        "empty.txt": b"",
        "noise.bin": noise(3 * MIB),
        "small.txt": text(10_000),
        "middle.txt": text(3 * MIB),
    }
    for key, body in contents.items():
        put(key, body)
    archive = build(entries_for(contents), replace(SMALLEST, deflate=True))
    found = contents_of(s3)
    assert list(found) == list(contents)
    assert all(found[key] == body for key, body in contents.items())
    assert archive.size < 16 * MIB
    with zipfile.ZipFile(io.BytesIO(download(s3))) as opened:
        methods = {info.filename: info.compress_type for info in opened.infolist()}
    assert methods["noise.bin"] == methods["empty.txt"] == zipfile.ZIP_STORED
    assert methods["large.txt"] == methods["small.txt"] == zipfile.ZIP_DEFLATED


@pytest.mark.parametrize("deflate", [False, True], ids=["stored", "deflated"])
@pytest.mark.parametrize("options", [SMALLEST, STREAMING], ids=["short parts", "long parts"])
def test_an_interrupted_part_is_sent_again(
    s3: Any, put: Put, build: Build, faults: FaultInjector, options: EngineOptions, deflate: bool
) -> None:
    options = replace(options, deflate=deflate)
    words = b"".join(b"%d\n" % i for i in range(MIB))
    sizes = [100, 6 * MIB, 11 * MIB, 0, 3 * MIB]
    for i, size in enumerate(sizes):
        put(f"{i}.pdf", noise(size, i)[: size // 2] + words[: size - size // 2])
    entries = entries_for(f"{i}.pdf" for i in range(len(sizes)))
    build(entries, options)
    expected = digest(s3)
    faults.install(FaultPlan.parse("faults: [{operation: UploadPart, times: 4, reset: true}]"))
    build(entries, options)
    assert len(faults.injected) == 4
    assert digest(s3) == expected
