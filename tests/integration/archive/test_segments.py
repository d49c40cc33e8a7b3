"""Segments that are built twice, or whose sources differ from the plan."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.integration.conftest import Put
from zipjobs.archive.options import BuildContext, EngineOptions
from zipjobs.archive.parts.blocks import BlockPool
from zipjobs.archive.parts.sizing import MAX_ARCHIVE_BYTES, MIB, PartSizing
from zipjobs.archive.segment import Segment, SegmentOutput, build_segment, finish_archive, sized
from zipjobs.errors import SourceChanged
from zipjobs.s3.multipart_upload import ArchiveWriter, Upload
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.part_upload import PartSender
from zipjobs.s3.source import Entry, Source
from zipjobs.s3.target import Target
from zipjobs.worker.segment_plan import SizeHistogram, WorkerQuota, segments, sizing_for

TARGET = Target("dst", "zips/a.zip")

Build = Callable[[Upload, list[Entry]], SegmentOutput]


@pytest.fixture
def entries(put: Put) -> list[Entry]:
    """Three entries of one segment."""
    body = bytes(2 * MIB)
    etags = [put(f"{number}.pdf", body) for number in range(3)]
    return [
        Entry(f"{number}.pdf", Source("src", f"{number}.pdf"), len(body), etag)
        for number, etag in enumerate(etags)
    ]


@pytest.fixture
def build(entries: list[Entry], reader: ObjectReader) -> Build:
    """Return a function that plans the segment of ``entries`` and builds it of other entries."""
    histogram = SizeHistogram()
    for entry in entries:
        histogram.add(sized(entry))
    sizing = sizing_for(histogram, PartSizing(), WorkerQuota(), MAX_ARCHIVE_BYTES)
    segment: Segment
    (segment,) = segments(map(sized, entries), sizing, WorkerQuota())

    def run(upload: Upload, found: list[Entry]) -> SegmentOutput:
        context = BuildContext(reader, upload, BlockPool(52 * MIB), EngineOptions())
        return build_segment(segment, found, sizing, context)

    return run


def finish(output: SegmentOutput, upload: Upload) -> None:
    finish_archive([output.built], lambda: [output.records], upload)


def test_a_second_worker_can_finish_a_complete_archive(
    s3: Any, entries: list[Entry], build: Build, sender: PartSender
) -> None:
    writer = ArchiveWriter(s3, sender)
    with writer.upload(TARGET) as first, writer.upload(TARGET) as second:
        for upload in (first, second):
            finish(build(upload, entries), upload)
    assert s3.head_object(Bucket=TARGET.bucket, Key=TARGET.key)["ContentLength"] > 6 * MIB


@pytest.mark.parametrize("change", [{"etag": '"other"'}, {"size": 5, "etag": None}])
def test_a_source_that_differs_from_the_plan_is_an_error(
    s3: Any, entries: list[Entry], build: Build, sender: PartSender, change: dict[str, Any]
) -> None:
    entries[1] = replace(entries[1], **change)
    with (
        pytest.raises(SourceChanged, match=r"1\.pdf"),
        ArchiveWriter(s3, sender).upload(TARGET) as upload,
    ):
        build(upload, entries)
