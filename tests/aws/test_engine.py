"""The engine on moto's S3: whole archives, judged by Python's zipfile."""

import io
import random
import zipfile
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zipjobs.archive.engine import Archive, EngineOptions, Progress, build_archive
from zipjobs.archive.layout import MIB, PartSizing
from zipjobs.archive.reader import Head, ObjectReader
from zipjobs.archive.source import Entry, Source
from zipjobs.archive.writer import ArchiveWriter, Target
from zipjobs.errors import InvalidRequest, ServiceUnavailable, SourceChanged, SourceNotFound

TARGET = Target("dst", "zips/a.zip")
SMALLEST = EngineOptions(
    read_requests=3,
    read_bytes=5 * MIB,
    part_requests=2,
    part_bytes=20 * MIB,
    sizing=PartSizing(base_bytes=5 * MIB, cap_bytes=5 * MIB),
)


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def entries_for(contents: Iterable[str]) -> list[Entry]:
    return [Entry(name, Source("src", name)) for name in contents]


def build(
    s3: Any,
    entries: Iterable[Entry],
    options: EngineOptions = SMALLEST,
    reader: ObjectReader | None = None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Archive:
    with ArchiveWriter(s3).upload(TARGET) as upload:
        return build_archive(entries, reader or ObjectReader(s3), upload, options, on_progress)


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
@pytest.mark.parametrize("options", [SMALLEST, EngineOptions()], ids=["smallest", "default"])
def test_an_archive_holds_what_was_asked_for_in_order(
    s3: Any, put: Callable[[str, bytes], str], sizes: list[int], options: EngineOptions
) -> None:
    contents = {f"{i}.pdf": noise(size, i) for i, size in enumerate(sizes)}
    for key, body in contents.items():
        put(key, body)
    archive = build(s3, entries_for(contents), options)
    found = contents_of(s3)
    assert list(found) == list(contents)
    assert found == contents
    assert (archive.entries, archive.source_bytes) == (len(sizes), sum(sizes))
    assert archive.size == len(download(s3))


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.sampled_from([0, 1, 1000, 4 * MIB, 5 * MIB, 8 * MIB]), min_size=1, max_size=8))
def test_any_order_of_sizes_makes_a_good_archive_in_the_smallest_memory(
    s3: Any, put: Callable[[str, bytes], str], sizes: list[int]
) -> None:
    contents = {f"{i}.pdf": noise(size, i) for i, size in enumerate(sizes)}
    for key, body in contents.items():
        put(key, body)
    build(s3, entries_for(contents))
    assert contents_of(s3) == contents


def test_the_same_entries_make_the_same_bytes(s3: Any, put: Callable[[str, bytes], str]) -> None:
    sizes = [100, 9 * MIB, 6 * MIB, 10]
    for i, size in enumerate(sizes):
        put(f"{i}.pdf", noise(size, i))
    entries = entries_for(f"{i}.pdf" for i in range(len(sizes)))
    build(s3, entries)
    first = download(s3)
    build(s3, entries)
    assert download(s3) == first


def test_progress_only_grows_and_ends_with_everything(
    s3: Any, put: Callable[[str, bytes], str]
) -> None:
    sizes = [100, 9 * MIB, 6 * MIB, 0, 10]
    for i, size in enumerate(sizes):
        put(f"{i}.pdf", noise(size, i))
    seen: list[Progress] = []
    build(s3, entries_for(f"{i}.pdf" for i in range(len(sizes))), on_progress=seen.append)
    assert max(progress.entries for progress in seen) == len(sizes)
    assert max(progress.source_bytes for progress in seen) == sum(sizes)


def test_an_empty_list_is_refused(s3: Any, uploads: Callable[[], list[Any]]) -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        build(s3, [])
    assert uploads() == []


@pytest.mark.parametrize("position", [0, 3, 7])
def test_a_missing_source_ends_the_build_and_leaves_no_upload(
    s3: Any,
    put: Callable[[str, bytes], str],
    uploads: Callable[[], list[Any]],
    position: int,
) -> None:
    keys = [f"{i}.pdf" for i in range(7)]
    for key in keys:
        put(key, noise(6 * MIB))
    keys.insert(position, "missing.pdf")
    with pytest.raises(SourceNotFound, match="missing.pdf"):
        build(s3, entries_for(keys))
    assert uploads() == []


class ChangesUnderway(ObjectReader):
    """Replaces an object after its head was read."""

    def __init__(self, s3: Any) -> None:
        super().__init__(s3)
        self._client = s3

    def head(self, source: Source, limit: int, admit: Callable[[int], None]) -> Head:
        head = super().head(source, limit, admit)
        self._client.put_object(
            Bucket=source.bucket, Key=source.key, Body=noise(head.pinned.size, 99)
        )
        return head


def test_a_source_that_changes_ends_the_build_and_leaves_no_upload(
    s3: Any, put: Callable[[str, bytes], str], uploads: Callable[[], list[Any]]
) -> None:
    put("a.pdf", noise(20 * MIB))
    with pytest.raises(SourceChanged, match="a.pdf"):
        build(s3, entries_for(["a.pdf"]), reader=ChangesUnderway(s3))
    assert uploads() == []


def test_what_progress_raises_ends_the_build(
    s3: Any, put: Callable[[str, bytes], str], uploads: Callable[[], list[Any]]
) -> None:
    def fail(progress: Progress) -> None:
        raise ServiceUnavailable("enough")

    for i in range(6):
        put(f"{i}.pdf", noise(6 * MIB))
    with pytest.raises(ServiceUnavailable, match="enough"):
        build(s3, entries_for(f"{i}.pdf" for i in range(6)), on_progress=fail)
    assert uploads() == []


def test_budgets_that_could_deadlock_are_refused() -> None:
    with pytest.raises(ValueError, match="part_bytes"):
        EngineOptions(part_bytes=10 * MIB)
    with pytest.raises(ValueError, match="read_bytes"):
        EngineOptions(read_bytes=MIB)
