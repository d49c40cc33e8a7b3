"""Objects that cannot be read: all are listed, and none is requested twice."""

import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from math import inf
from typing import Any
from unittest.mock import patch

import pytest

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.integration.conftest import Put
from zipjobs.archive.options import BuildContext, EngineOptions, Progress
from zipjobs.archive.parts.blocks import BlockPool
from zipjobs.archive.parts.sizing import KIB, MIB
from zipjobs.archive.whole_archive import Archive, build_archive
from zipjobs.errors import (
    LeaseLost,
    SourceArchived,
    SourceNotFound,
    UnreadableObjects,
)
from zipjobs.s3.http.client import HttpClient
from zipjobs.s3.multipart_upload import ArchiveWriter
from zipjobs.s3.object_reader import ObjectReader, Read
from zipjobs.s3.part_upload import PartSender
from zipjobs.s3.source import Entry, SkippedEntry, Source
from zipjobs.s3.target import Target
from zipjobs.unreadable import MAX_NAMED_OBJECTS

TARGET = Target("dst", "zips/a.zip")
STORED = EngineOptions(probes=5, progress_seconds=0.01)
DEFLATED = replace(STORED, deflate=True, measurements=3)
NOT_FOUND, ARCHIVED = SourceNotFound.code, SourceArchived.code

Build = Callable[..., Archive]


class CountingReader(ObjectReader):
    """Counts the reads of each key."""

    def __init__(self, http: HttpClient) -> None:
        super().__init__(http)
        self.reads: Counter[str] = Counter()

    def read(self, source: Source, *arguments: Any, **options: Any) -> Read:
        self.reads[source.key] += 1
        return super().read(source, *arguments, **options)


@pytest.fixture
def reader(http: HttpClient) -> CountingReader:
    return CountingReader(http)


@pytest.fixture
def build(s3: Any, reader: CountingReader, sender: PartSender) -> Build:
    def run(
        keys: Sequence[str],
        options: EngineOptions = STORED,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        check_until: float = inf,
    ) -> Archive:
        entries = [Entry(key, Source("src", key)) for key in keys]
        blocks = BlockPool(52 * MIB)
        with ArchiveWriter(s3, sender).upload(TARGET) as upload:
            context = BuildContext(reader, upload, blocks, options, on_progress, check_until)
            return build_archive(entries, context)

    return run


@pytest.fixture
def keys(s3: Any, put: Put) -> list[str]:
    """Keys of objects that exist, are archived, and do not exist."""
    found = [f"found-{number}" for number in range(40)]
    for number, key in enumerate(found):
        put(key, bytes(8 * MIB if number % 10 == 9 else 10 * KIB))
    for number in range(2):
        s3.put_object(Bucket="src", Key=f"cold-{number}", Body=b"cold", StorageClass="GLACIER")
    found[30:30] = ["cold-1", "gone-2"]
    found[20:20] = ["cold-0"]
    found[5:5] = ["gone-0", "gone-1"]
    return found


def addresses(*keys: str) -> tuple[str, ...]:
    return tuple(f"s3://src/{key}" for key in keys)


@pytest.mark.parametrize("options", [STORED, DEFLATED], ids=["stored", "deflated"])
def test_all_unreadable_objects_are_listed_by_kind(
    build: Build,
    keys: list[str],
    reader: CountingReader,
    uploads: Callable[[], list[Any]],
    options: EngineOptions,
) -> None:
    with pytest.raises(UnreadableObjects, match="5 objects cannot be read") as caught:
        build(keys, options)
    error = caught.value
    assert error.code == NOT_FOUND
    assert "3 missing, 2 archived" in str(error)
    assert {code: tuple(names) for code, names in error.by_code.items()} == {
        NOT_FOUND: addresses("gone-0", "gone-1", "gone-2"),
        ARCHIVED: addresses("cold-0", "cold-1"),
    }
    assert error.objects == addresses("gone-0", "gone-1", "gone-2", "cold-0", "cold-1")
    assert uploads() == []


@pytest.mark.parametrize("position", [0, 25, 40])
def test_no_object_is_requested_twice(
    build: Build, keys: list[str], reader: CountingReader, position: int
) -> None:
    keys = [key for key in keys if key.startswith("found")]
    keys.insert(position, "gone")
    with pytest.raises(SourceNotFound, match="s3://src/gone does not exist"):
        build(keys)
    large = {key for key in keys if key.endswith("9")}  # the rest of a large body is a second read
    assert {key: reader.reads[key] for key in keys if key not in large} == {
        key: 1 for key in keys if key not in large
    }


def test_nothing_is_written_after_an_unreadable_object(
    s3: Any, build: Build, put: Put, sender: PartSender
) -> None:
    put("large", bytes(30 * MIB))
    with (
        patch.object(s3, "upload_part_copy") as copy,
        patch.object(sender, "put") as send,
        pytest.raises(SourceNotFound),
    ):
        build(["gone", *["large"] * 20])
    assert not copy.called
    assert not send.called


@pytest.mark.parametrize("options", [STORED, DEFLATED], ids=["stored", "deflated"])
def test_skipped_objects_have_their_code(
    s3: Any, build: Build, keys: list[str], options: EngineOptions, tmp_path: Any
) -> None:
    archive = build(keys, replace(options, skip=frozenset({NOT_FOUND, ARCHIVED})))
    assert archive.skipped == [
        SkippedEntry(
            Entry(key, Source("src", key)), ARCHIVED if key.startswith("cold") else NOT_FOUND
        )
        for key in keys
        if not key.startswith("found")
    ]
    s3.download_file(TARGET.bucket, TARGET.key, str(tmp_path / "a.zip"))
    with zipfile.ZipFile(tmp_path / "a.zip") as opened:
        assert opened.namelist() == [key for key in keys if key.startswith("found")]
        assert opened.testzip() is None


def test_only_objects_with_other_codes_are_errors(build: Build, keys: list[str]) -> None:
    with pytest.raises(UnreadableObjects) as caught:
        build(keys, replace(STORED, skip=frozenset({NOT_FOUND})))
    assert "2 archived" in str(caught.value)


def test_an_archive_is_not_empty_because_all_objects_are_skipped(build: Build) -> None:
    with pytest.raises(UnreadableObjects, match="nothing to zip: 2 missing") as caught:
        build(["gone-0", "gone-1"], replace(STORED, skip=frozenset({NOT_FOUND})))
    assert (caught.value.code, len(caught.value.objects)) == (NOT_FOUND, 2)


def test_checks_end_with_the_time_of_the_worker(
    build: Build, keys: list[str], reader: CountingReader
) -> None:
    with pytest.raises(UnreadableObjects, match="Other objects were not checked") as caught:
        build(["gone-0", *["found-0"] * 500, "gone-1"], check_until=0.0)
    assert caught.value.code == NOT_FOUND


def test_checks_end_when_the_job_is_cancelled(build: Build, keys: list[str]) -> None:
    def cancelled(progress: Progress) -> None:
        raise LeaseLost("cancelled")

    with pytest.raises(LeaseLost):
        build(["gone-0", *["found-0"] * 500], replace(STORED, progress_seconds=0), cancelled)


def test_a_check_that_fails_is_not_repeated_with_the_whole_job(
    build: Build, keys: list[str], faults: FaultInjector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zipjobs.s3.retry.FIRST_PAUSE_SECONDS", 0.0)
    faults.install(
        FaultPlan.parse(
            "faults: [{operation: GetObject, key: '*found-39', "
            "times: 1000, error: {code: InternalError, status: 500}}]"
        )
    )
    with pytest.raises(UnreadableObjects, match="Other objects were not checked") as caught:
        build(keys)
    assert "3 missing, 2 archived" in str(caught.value)


def test_an_error_counts_all_objects_and_names_some(build: Build) -> None:
    gone = [f"gone-{number:03}" for number in range(MAX_NAMED_OBJECTS + 50)]
    with pytest.raises(UnreadableObjects, match="250 objects cannot be read") as caught:
        build(gone)
    assert "250 missing" in str(caught.value)
    assert caught.value.objects == addresses(*gone[:MAX_NAMED_OBJECTS])
