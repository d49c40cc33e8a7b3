"""The number of archives of a job, which its record and its event list with skipped objects."""

from datetime import UTC, datetime

import pytest

from zipjobs.jobs.events import CompletionDetail
from zipjobs.jobs.job import (
    MAX_RECORDED_NAME_CHARS,
    FinishedArchive,
    Job,
    Status,
    Trigger,
    UploadRef,
)
from zipjobs.requests.storage import ObjectRef
from zipjobs.unreadable import MAX_NAMED_OBJECTS
from zipjobs.worker.planner import MAX_ARCHIVES, _max_archives

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
RECORD_LIMIT = 400 * 1024
EVENT_LIMIT = 256 * 1024
UPLOAD_ID = "u" * 128
SKIPPED = ("s" * (MAX_RECORDED_NAME_CHARS // MAX_NAMED_OBJECTS),) * MAX_NAMED_OBJECTS


def job_of(archives: int, key: str) -> Job:
    stem = key.removesuffix(".zip")
    keys = [f"{stem}-{number:03}" for number in range(archives)]
    finished = tuple(
        FinishedArchive(
            key=f"{one}.zip",
            receipt_key=f"{one}.receipt.json",
            entries=1_000_000,
            size=48 * 1024**4,
            crc32="ffffffff",
            etag='"' + "0" * 32 + '-10000"',
            copied_bytes=48 * 1024**4,
        )
        for one in keys
    )
    return Job(
        job_id="f81d4fae-7dec-41d0-a765-00a0c91e6bf6",
        status=Status.READY,
        trigger=Trigger.API,
        request=ObjectRef(bucket="manifests", key="requests/x.json"),
        target_bucket="b" * 63,
        target_key=key,
        archives=finished,
        skipped=1_000_000,
        skipped_objects=SKIPPED,
        skipped_reasons=("SOURCE_ENCRYPTED",) * len(SKIPPED),
        uploads=tuple(UploadRef(key=f"{one}.zip", upload_id=UPLOAD_ID) for one in keys),
        created_at=NOON,
        updated_at=NOON,
        finished_at=NOON,
        expires_at=0,
    )


def size_of(value: object) -> int:
    """Return the size of an item, by "Item sizes and formats" in DynamoDB's Developer Guide."""
    if isinstance(value, dict):
        return 3 + sum(len(name) + 1 + size_of(one) for name, one in value.items())
    if isinstance(value, list):
        return 3 + sum(1 + size_of(one) for one in value)
    return len(str(value).encode())


@pytest.mark.parametrize("key_bytes", [45, 185, 300, 600, 1000])
def test_a_record_and_an_event_have_room_for_all_archives(
    key_bytes: int,
) -> None:
    key = "k" * (key_bytes - 4) + ".zip"
    room = _max_archives(key)
    assert 100 <= room <= MAX_ARCHIVES
    job = job_of(room, key)
    record = job.model_dump(by_alias=True, exclude_none=True, mode="json")
    assert size_of(record) < RECORD_LIMIT
    assert len(CompletionDetail.of(job).model_dump_json(by_alias=True).encode()) < EVENT_LIMIT
