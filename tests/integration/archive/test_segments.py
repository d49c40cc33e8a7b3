"""Segments, built in any order or twice, make the same archive as one worker."""

import hashlib
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from zipjobs.archive.blocks import BlockPool
from zipjobs.archive.builder import build_archive
from zipjobs.archive.options import BuildContext, EngineOptions
from zipjobs.archive.part_sizing import MAX_ARCHIVE_BYTES, MIB, PartSizing
from zipjobs.archive.segment import Segment, SegmentOutput, build_segment, finish_archive, sized
from zipjobs.errors import SourceChanged
from zipjobs.s3.multipart_upload import ArchiveWriter, Upload
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.part_upload import PartSender
from zipjobs.s3.source import Entry, Source
from zipjobs.s3.target import Target
from zipjobs.worker.segment_plan import SizeHistogram, WorkerQuota, segments, sizing_for

TARGET = Target("dst", "zips/a.zip")
SIZING = PartSizing(assembled_bytes=8 * MIB, large_bytes=10 * MIB, copy_part_bytes=5 * MIB)
OPTIONS = EngineOptions(probes=6, ranges=8, uploads=4, copies=4, sizing=SIZING)
QUOTA = WorkerQuota(read_bytes=9 * MIB, copied_bytes=60 * MIB, entries=100)
SIZES = [*[2 * MIB] * 9, 21 * MIB, 0, 10, *[600_000] * 30, 6 * MIB, 17 * MIB, 3]


@pytest.fixture
def entries(put: Callable[[str, bytes], str]) -> list[Entry]:
    made = []
    for i, size in enumerate(SIZES):
        etag = put(f"{i}.pdf", random.Random(i).randbytes(size))
        made.append(Entry(f"{i}.pdf", Source("src", f"{i}.pdf"), size, etag))
    return made


@pytest.fixture
def expected(s3: Any, entries: list[Entry], reader: ObjectReader, sender: PartSender) -> bytes:
    """Return the digest of the archive that one worker builds."""
    with ArchiveWriter(s3, sender).upload(TARGET) as upload:
        build_archive(entries, build_context(reader, upload))
    found = digest(s3)
    s3.delete_object(Bucket=TARGET.bucket, Key=TARGET.key)
    return found


def build_context(reader: ObjectReader, upload: Upload) -> BuildContext:
    return BuildContext(reader, upload, BlockPool(52 * MIB), OPTIONS)


def digest(s3: Any) -> bytes:
    body = s3.get_object(Bucket=TARGET.bucket, Key=TARGET.key)["Body"].read()
    return hashlib.sha256(body).digest()


def plan(entries: Sequence[Entry]) -> tuple[PartSizing, list[Segment]]:
    histogram = SizeHistogram()
    for entry in entries:
        histogram.add(sized(entry))
    sizing = sizing_for(histogram, SIZING, QUOTA, MAX_ARCHIVE_BYTES)
    return sizing, list(segments(map(sized, entries), sizing, QUOTA))


def finish(built: list[SegmentOutput], upload: Upload) -> None:
    finish_archive(
        [output.built for output in built], lambda: [output.records for output in built], upload
    )


def test_shuffled_and_repeated_segments_make_the_unsplit_archive(
    s3: Any, entries: list[Entry], expected: bytes, reader: ObjectReader, sender: PartSender
) -> None:
    sizing, planned = plan(entries)
    assert len(planned) >= 4
    for seed in range(2):
        order = [*planned, *planned[:2]]
        random.Random(seed).shuffle(order)
        built: dict[int, SegmentOutput] = {}
        with ArchiveWriter(s3, sender).upload(TARGET) as upload:
            for segment in order:
                run = entries[segment.first_entry : segment.first_entry + segment.entries]
                context = build_context(reader, upload)
                built[segment.index] = build_segment(segment, run, sizing, context)
            assert sum(segment.built.copied_bytes for segment in built.values()) > 20 * MIB
            finish([built[i] for i in range(len(planned))], upload)
        assert digest(s3) == expected
        s3.delete_object(Bucket=TARGET.bucket, Key=TARGET.key)


def test_a_second_worker_can_finish_a_complete_archive(
    s3: Any, entries: list[Entry], reader: ObjectReader, sender: PartSender
) -> None:
    entries = entries[:3]
    sizing, (segment,) = plan(entries)
    writer = ArchiveWriter(s3, sender)
    with writer.upload(TARGET) as upload, writer.upload(TARGET) as late:
        for one in (upload, late):
            finish([build_segment(segment, entries, sizing, build_context(reader, one))], one)
    assert s3.head_object(Bucket=TARGET.bucket, Key=TARGET.key)["ContentLength"] > 6 * MIB


@pytest.mark.parametrize("change", [{"etag": '"other"'}, {"size": 5, "etag": None}])
def test_a_source_that_differs_from_the_plan_is_an_error(
    s3: Any,
    entries: list[Entry],
    reader: ObjectReader,
    sender: PartSender,
    change: dict[str, Any],
) -> None:
    sizing, planned = plan(entries)
    run = list(entries[: planned[0].entries])
    run[1] = replace(run[1], **change)
    with (
        pytest.raises(SourceChanged, match=r"1\.pdf"),
        ArchiveWriter(s3, sender).upload(TARGET) as upload,
    ):
        build_segment(planned[0], run, sizing, build_context(reader, upload))
