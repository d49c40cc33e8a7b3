"""Records and messages of earlier versions are readable: see docs/upgrading.md."""

import json
from typing import Any

import pytest

from zipjobs.jobs.job import EVERYONE, Job, Status
from zipjobs.jobs.messages import parse_message
from zipjobs.jobs.view import JobView

OLDEST: dict[str, Any] = {
    "schemaVersion": 1,
    "jobId": "5d0f1dca-3f0c-4a8e-9d5a-0c5c7b6f7a11",
    "status": "READY",
    "trigger": "api",
    "request": {"bucket": "manifests", "key": "requests/1.json", "versionId": "v1"},
    "sourceBucket": "src",
    "targetBucket": "dst",
    "targetKey": "zips/1.zip",
    "entriesTotal": 2,
    "entriesDone": 2,
    "bytesTotal": 10,
    "bytesDone": 10,
    "archives": [
        {
            "key": "zips/1.zip",
            "receiptKey": "zips/1.receipt.json",
            "entries": 2,
            "size": 200,
            "crc32": "0badcafe",
            "etag": '"e"',
        }
    ],
    "createdAt": "2026-11-23T12:00:00.000Z",
    "updatedAt": "2026-11-23T12:00:03.500Z",
    "finishedAt": "2026-11-23T12:00:03.500Z",
    "expiresAt": 2_000_000_000,
}
"""A record of the first version, without the fields that later versions added."""


def test_a_record_without_newer_fields_is_read() -> None:
    job = Job.model_validate(OLDEST)
    assert job.owner == EVERYONE
    assert job.is_visible_to("arn:aws:iam::123456789012:user/ann")
    assert (job.list_key, job.segments, job.skipped, job.sweeps) == (None, None, 0, 0)
    assert job.archives[0].copied_bytes == 0


def test_a_record_without_newer_fields_is_shown() -> None:
    view = JobView.of(Job.model_validate(OLDEST))
    assert view.status is Status.READY
    assert view.job_id == OLDEST["jobId"]


def test_skipped_objects_without_reasons_are_missing() -> None:
    """The first version skipped only missing objects."""
    old = OLDEST | {"skipped": 2, "skippedObjects": ["s3://src/a", "s3://src/b"]}
    view = json.loads(JobView.of(Job.model_validate(old)).model_dump_json(by_alias=True))
    assert view["skippedObjects"] == [
        {"object": "s3://src/a", "reason": "SOURCE_NOT_FOUND"},
        {"object": "s3://src/b", "reason": "SOURCE_NOT_FOUND"},
    ]


def test_fields_of_a_newer_record_are_ignored() -> None:
    job = Job.model_validate(OLDEST | {"fieldOfTomorrow": {"a": [1]}})
    assert job == Job.model_validate(OLDEST)


@pytest.mark.parametrize("newer", [{}, {"fieldOfTomorrow": 1}])
def test_fields_of_a_newer_message_are_ignored(newer: dict[str, Any]) -> None:
    message = {
        "jobId": "job-1",
        "trigger": "api",
        "request": {"bucket": "manifests", "key": "requests/1.json"},
        "submittedAt": "2026-11-23T12:00:00.000Z",
    }
    submission = parse_message(json.dumps(message | newer))
    assert (submission.job_id, submission.owner, submission.segment) == ("job-1", EVERYONE, None)
