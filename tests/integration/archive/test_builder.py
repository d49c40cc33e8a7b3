"""The engine on moto's S3: whole archives, judged by Python's zipfile."""

import hashlib
import io
import random
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.support.examples import examples
from zipjobs.archive.blocks import BlockPool
from zipjobs.archive.builder import Archive, build_archive
from zipjobs.archive.options import BuildContext, EngineOptions, Progress
from zipjobs.archive.part_sizing import MIB, PartSizing
from zipjobs.errors import InvalidRequest, ServiceUnavailable, SourceChanged, SourceNotFound
from zipjobs.s3.client import Transport
from zipjobs.s3.multipart_upload import ArchiveWriter
from zipjobs.s3.object_reader import ObjectReader, Read, Sink
from zipjobs.s3.part_upload import PartSender
from zipjobs.s3.source import Entry, ObjectVersion, Source
from zipjobs.s3.target import Target

TARGET = Target("dst", "zips/a.zip")
LARGE = 10 * MIB
SMALL_PARTS = PartSizing(large_bytes=LARGE, own_bytes=5 * MIB, crowd=2, crowded_bytes=5 * MIB)
SMALLEST = EngineOptions(probes=3, ranges=4, uploads=2, copies=2, sizing=SMALL_PARTS)
STREAMING = replace(SMALLEST, sizing=replace(SMALL_PARTS, growth=1, large_bytes=50 * MIB))
"""Nothing is copied, most parts are sent while they grow, larger bodies are read twice."""

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


@pytest.fixture
def build(s3: Any, transport: Transport, sender: PartSender) -> Build:
    """Builds an archive in the least memory that can work."""

    def run(
        entries: Iterable[Entry],
        options: EngineOptions = SMALLEST,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        s3: Any = s3,
    ) -> Archive:
        s3.delete_object(Bucket=TARGET.bucket, Key=TARGET.key)
        blocks = BlockPool(options.least_memory_bytes)
        reader = ObjectReader(transport)
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
    "exactly one head": [5 * MIB],
    "one byte more than a head": [5 * MIB + 1],
    "one large entry": [23 * MIB],
    "large entries in a row": [12 * MIB, 11 * MIB, 13 * MIB],
    "a mix": [100, 9 * MIB, 0, 200, 6 * MIB, 3 * MIB, 3 * MIB, 12 * MIB, 1],
}


@pytest.mark.parametrize("sizes", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_an_archive_holds_what_was_asked_for_in_order(
    s3: Any,
    put: Callable[[str, bytes], str],
    build: Build,
    sizes: list[int],
    options: EngineOptions,
) -> None:
    contents = {f"{i}.pdf": noise(size, i) for i, size in enumerate(sizes)}
    for key, body in contents.items():
        put(key, body)
    archive = build(entries_for(contents), options)
    found = contents_of(s3)
    assert list(found) == list(contents)
    assert all(found[key] == body for key, body in contents.items())
    assert (archive.entries, archive.source_bytes) == (len(sizes), sum(sizes))
    assert (archive.size, archive.crc32) == (len(download(s3)), zlib.crc32(download(s3)))


@examples(15)
@given(st.lists(st.sampled_from([0, 1, 1000, 4 * MIB, 5 * MIB, 8 * MIB]), min_size=1, max_size=8))
def test_any_order_of_sizes_makes_a_good_archive_in_the_smallest_memory(
    s3: Any, put: Callable[[str, bytes], str], build: Build, sizes: list[int]
) -> None:
    contents = {f"{i}.pdf": noise(size, i) for i, size in enumerate(sizes)}
    for key, body in contents.items():
        put(key, body)
    build(entries_for(contents))
    found = contents_of(s3)
    assert all(found[key] == body for key, body in contents.items())


def test_the_same_entries_make_the_same_bytes(
    s3: Any, put: Callable[[str, bytes], str], build: Build
) -> None:
    sizes = [100, 9 * MIB, 6 * MIB, 10]
    for i, size in enumerate(sizes):
        put(f"{i}.pdf", noise(size, i))
    entries = entries_for(f"{i}.pdf" for i in range(len(sizes)))
    build(entries)
    first = digest(s3)
    build(entries)
    assert digest(s3) == first


def test_progress_only_grows(put: Callable[[str, bytes], str], build: Build) -> None:
    sizes = [100, 9 * MIB, 6 * MIB, 0, 10]
    for i, size in enumerate(sizes):
        put(f"{i}.pdf", noise(size, i))
    seen: list[Progress] = []
    options = EngineOptions(progress_seconds=0.001)
    build(entries_for(f"{i}.pdf" for i in range(len(sizes))), options, on_progress=seen.append)
    assert len({progress.source_bytes for progress in seen}) > 1
    assert seen == sorted(seen, key=lambda progress: (progress.entries, progress.source_bytes))
    assert seen[-1].source_bytes <= sum(sizes)


def test_an_empty_list_is_refused(build: Build, uploads: Callable[[], list[Any]]) -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        build([])
    assert uploads() == []


@pytest.mark.parametrize("position", [0, 3, 7])
def test_a_missing_source_ends_the_build_and_leaves_no_upload(
    put: Callable[[str, bytes], str],
    build: Build,
    uploads: Callable[[], list[Any]],
    position: int,
) -> None:
    keys = [f"{i}.pdf" for i in range(7)]
    for key in keys:
        put(key, noise(6 * MIB))
    keys.insert(position, "missing.pdf")
    with pytest.raises(SourceNotFound, match="missing.pdf"):
        build(entries_for(keys))
    assert uploads() == []


@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_a_source_that_changes_ends_the_build_and_leaves_no_upload(
    s3: Any,
    transport: Transport,
    sender: PartSender,
    put: Callable[[str, bytes], str],
    uploads: Callable[[], list[Any]],
    options: EngineOptions,
) -> None:
    class Changes:
        """Passes everything on to a sink, once the object has been replaced."""

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
    reader = ChangesWhenFound(transport)
    blocks = BlockPool(options.least_memory_bytes)
    with (
        pytest.raises(SourceChanged, match="a.pdf"),
        ArchiveWriter(s3, sender).upload(TARGET) as upload,
    ):
        build_archive(entries_for(["a.pdf"]), BuildContext(reader, upload, blocks, options))
    assert uploads() == []


REFUSALS: dict[str, dict[str, Any]] = {
    "access denied": {"side_effect": ClientError({"Error": {"Code": "AccessDenied"}}, "Copy")},
    "another region": {"side_effect": ClientError({"Error": {"Code": "InvalidRequest"}}, "Copy")},
    "no checksum": {"return_value": {"CopyPartResult": {"ETag": '"e"'}}},
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_what_s3_will_not_copy_is_read_instead_and_the_archive_is_the_same(
    s3: Any, put: Callable[[str, bytes], str], build: Build, refusal: dict[str, Any]
) -> None:
    sizes = [100, 27 * MIB, 12 * MIB, 3 * MIB]
    for i, size in enumerate(sizes):
        put(f"{i}.pdf", noise(size, i))
    entries = entries_for(f"{i}.pdf" for i in range(len(sizes)))
    copied = build(entries)
    expected = digest(s3)
    with patch.object(s3, "upload_part_copy", **refusal):
        read = build(entries)
    assert digest(s3) == expected
    assert copied.copied_bytes > 20 * MIB
    assert read.copied_bytes == 0


def test_a_copy_that_s3_would_make_later_is_asked_for_again(
    s3: Any, put: Callable[[str, bytes], str], build: Build
) -> None:
    put("large.pdf", noise(21 * MIB))
    slow = ClientError({"Error": {"Code": "SlowDown"}}, "UploadPartCopy")
    real, troubles = s3.upload_part_copy, iter([slow, slow])

    def copy(**arguments: Any) -> Any:
        if trouble := next(troubles, None):
            raise trouble
        return real(**arguments)

    with (
        patch.object(s3, "upload_part_copy", copy),
        patch("zipjobs.s3.multipart_upload.time.sleep"),
    ):
        archive = build(entries_for(["large.pdf"]))
    assert archive.copied_bytes > 15 * MIB


def test_a_body_that_breaks_while_it_is_read_for_a_refused_copy_is_resumed(
    s3: Any, put: Callable[[str, bytes], str], build: Build, faults: FaultInjector
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


def test_copied_objects_pass_through_by_five_mebibytes_at_most(
    put: Callable[[str, bytes], str], build: Build
) -> None:
    put("large.pdf", noise(40 * MIB))
    archive = build(entries_for(["large.pdf"]))
    assert archive.source_bytes - archive.copied_bytes <= 5 * MIB


def test_copying_and_reading_make_the_same_bytes(
    s3: Any, put: Callable[[str, bytes], str], build: Build
) -> None:
    for i, size in enumerate([100, 27 * MIB, 12 * MIB, 0, 3 * MIB]):
        put(f"{i}.pdf", noise(size, i))
    archives = set()
    for options in WAYS.values():
        build(entries_for(f"{i}.pdf" for i in range(5)), options)
        archives.add(digest(s3))
    assert len(archives) == 1


def test_what_progress_raises_ends_the_build(
    put: Callable[[str, bytes], str], build: Build, uploads: Callable[[], list[Any]]
) -> None:
    def fail(progress: Progress) -> None:
        raise ServiceUnavailable("enough")

    for i in range(6):
        put(f"{i}.pdf", noise(6 * MIB))
    options = EngineOptions(progress_seconds=0.001)
    with pytest.raises(ServiceUnavailable, match="enough"):
        build(entries_for(f"{i}.pdf" for i in range(6)), options, on_progress=fail)
    assert uploads() == []


def test_memory_that_could_be_waited_for_for_ever_is_refused(
    s3: Any, reader: ObjectReader, sender: PartSender
) -> None:
    with (
        ArchiveWriter(s3, sender).upload(TARGET) as upload,
        pytest.raises(ValueError, match="the engine needs"),
    ):
        build_archive([], BuildContext(reader, upload, BlockPool(20 * MIB), SMALLEST))


def test_deflated_bodies_are_smaller_and_whole(
    s3: Any, put: Callable[[str, bytes], str], build: Build
) -> None:
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


def parts_fail_once(sender: PartSender) -> Any:
    """Every part's first attempt breaks off after one block."""
    send = sender._send
    seen = set()

    def break_off(path: str, query: str, expected: Mapping[str, str], body: Any) -> Any:
        if query in seen:
            return send(path, query, expected, body)
        seen.add(query)
        next(iter(body._chunks))
        raise ConnectionResetError("broken off by the test")

    return patch.object(sender, "_send", side_effect=break_off)


@pytest.mark.parametrize("deflate", [False, True], ids=["stored", "deflated"])
@pytest.mark.parametrize("options", [SMALLEST, STREAMING], ids=["short parts", "long parts"])
def test_a_part_that_breaks_off_is_sent_again(
    s3: Any,
    put: Callable[[str, bytes], str],
    build: Build,
    sender: PartSender,
    options: EngineOptions,
    deflate: bool,
) -> None:
    options = replace(options, deflate=deflate)
    words = b"".join(b"%d\n" % i for i in range(2 * MIB))
    for i, size in enumerate([100, 9 * MIB, 12 * MIB, 0, 3 * MIB, 13 * MIB]):
        put(f"{i}.pdf", noise(size, i)[: size // 2] + words[: size - size // 2])
    entries = entries_for(f"{i}.pdf" for i in range(6))
    build(entries, options)
    expected = digest(s3)
    with parts_fail_once(sender):
        build(entries, options)
    assert digest(s3) == expected
