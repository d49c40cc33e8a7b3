"""The engine on moto's S3: whole archives, judged by Python's zipfile."""

import io
import random
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zipjobs.archive.buffers import PartBuffers
from zipjobs.archive.engine import Archive, EngineOptions, Progress, build_archive
from zipjobs.archive.layout import MIB, PartSizing
from zipjobs.archive.reader import ObjectReader, Read, Sink
from zipjobs.archive.source import Entry, Pinned, Source
from zipjobs.archive.transport import Transport
from zipjobs.archive.writer import ArchiveWriter, Target
from zipjobs.errors import InvalidRequest, ServiceUnavailable, SourceChanged, SourceNotFound

TARGET = Target("dst", "zips/a.zip")
LARGE = 10 * MIB
SMALL_PARTS = PartSizing(assembled_cap_bytes=5 * MIB, large_bytes=LARGE, whole_bytes=5 * MIB)
SMALLEST = EngineOptions(probes=3, ranges=4, uploads=2, copies=2, sizing=SMALL_PARTS)
"""With 15 MiB of buffers: the least that can work."""

WAYS = {
    "copying": SMALLEST,
    "reading": replace(SMALLEST, copy=False),
    "default": EngineOptions(),
}


Build = Callable[..., Archive]


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def entries_for(contents: Iterable[str]) -> list[Entry]:
    return [Entry(name, Source("src", name)) for name in contents]


@pytest.fixture
def build(s3: Any, transport: Transport) -> Build:
    """Builds an archive in the least memory that can work."""

    def run(
        entries: Iterable[Entry],
        options: EngineOptions = SMALLEST,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        s3: Any = s3,
    ) -> Archive:
        buffers = PartBuffers(3 * options.sizing.assembled_cap_bytes)
        reader = ObjectReader(transport)
        with ArchiveWriter(s3).upload(TARGET) as upload:
            return build_archive(entries, reader, upload, buffers, options, on_progress)

    return run


def download(s3: Any) -> bytes:
    body: bytes = s3.get_object(Bucket=TARGET.bucket, Key=TARGET.key)["Body"].read()
    return body


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
    assert found == contents
    assert (archive.entries, archive.source_bytes) == (len(sizes), sum(sizes))
    assert (archive.size, archive.crc32) == (len(download(s3)), zlib.crc32(download(s3)))


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.sampled_from([0, 1, 1000, 4 * MIB, 5 * MIB, 8 * MIB]), min_size=1, max_size=8))
def test_any_order_of_sizes_makes_a_good_archive_in_the_smallest_memory(
    s3: Any, put: Callable[[str, bytes], str], build: Build, sizes: list[int]
) -> None:
    contents = {f"{i}.pdf": noise(size, i) for i, size in enumerate(sizes)}
    for key, body in contents.items():
        put(key, body)
    build(entries_for(contents))
    assert contents_of(s3) == contents


def test_the_same_entries_make_the_same_bytes(
    s3: Any, put: Callable[[str, bytes], str], build: Build
) -> None:
    sizes = [100, 9 * MIB, 6 * MIB, 10]
    for i, size in enumerate(sizes):
        put(f"{i}.pdf", noise(size, i))
    entries = entries_for(f"{i}.pdf" for i in range(len(sizes)))
    build(entries)
    first = download(s3)
    build(entries)
    assert download(s3) == first


def test_progress_only_grows_and_ends_with_everything(
    put: Callable[[str, bytes], str], build: Build
) -> None:
    sizes = [100, 9 * MIB, 6 * MIB, 0, 10]
    for i, size in enumerate(sizes):
        put(f"{i}.pdf", noise(size, i))
    seen: list[Progress] = []
    build(entries_for(f"{i}.pdf" for i in range(len(sizes))), on_progress=seen.append)
    assert max(progress.entries for progress in seen) == len(sizes)
    assert max(progress.source_bytes for progress in seen) == sum(sizes)


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
    put: Callable[[str, bytes], str],
    uploads: Callable[[], list[Any]],
    options: EngineOptions,
) -> None:
    class ChangesWhenFound(ObjectReader):
        def read(
            self, source: Source, first: int, length: int, sink: Sink, etag: str | None
        ) -> Read:
            pass_on = sink.found

            def found(pinned: Pinned, length: int) -> None:
                put(source.key, noise(pinned.size, 99))
                pass_on(pinned, length)

            if etag is None:
                sink.found = found  # type: ignore[method-assign]
            return super().read(source, first, length, sink, etag)

    put("a.pdf", noise(20 * MIB))
    buffers = PartBuffers(3 * options.sizing.assembled_cap_bytes)
    reader = ChangesWhenFound(transport)
    with (
        pytest.raises(SourceChanged, match="a.pdf"),
        ArchiveWriter(s3).upload(TARGET) as upload,
    ):
        build_archive(entries_for(["a.pdf"]), reader, upload, buffers, options)
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
    expected = download(s3)
    with patch.object(s3, "upload_part_copy", **refusal):
        read = build(entries)
    assert download(s3) == expected
    assert copied.copied_bytes > 20 * MIB
    assert read.copied_bytes == 0


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
        archives.add(download(s3))
    assert len(archives) == 1


def test_what_progress_raises_ends_the_build(
    put: Callable[[str, bytes], str], build: Build, uploads: Callable[[], list[Any]]
) -> None:
    def fail(progress: Progress) -> None:
        raise ServiceUnavailable("enough")

    for i in range(6):
        put(f"{i}.pdf", noise(6 * MIB))
    with pytest.raises(ServiceUnavailable, match="enough"):
        build(entries_for(f"{i}.pdf" for i in range(6)), on_progress=fail)
    assert uploads() == []


def test_buffers_that_could_deadlock_are_refused(s3: Any, reader: ObjectReader) -> None:
    with (
        ArchiveWriter(s3).upload(TARGET) as upload,
        pytest.raises(ValueError, match="three of the largest"),
    ):
        build_archive([], reader, upload, PartBuffers(14 * MIB), SMALLEST)
