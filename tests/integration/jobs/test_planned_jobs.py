"""Jobs that exceed one worker's quota: planned, built in segments, and finished."""

import hashlib
import io
import random
import zipfile
import zlib
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any
from unittest.mock import patch

import pytest

from tests.integration.conftest import Put
from tests.integration.worker_setup import Workers, dying, error_of
from zipjobs.archive.options import EngineOptions
from zipjobs.archive.parts.sizing import MIB, PartSizing
from zipjobs.errors import TargetForbidden
from zipjobs.jobs.job import Job, Status, Submission
from zipjobs.jobs.view import JobView
from zipjobs.s3.upload_cleanup import UploadCleaner
from zipjobs.worker.segment_plan import WorkerQuota

SIZING = PartSizing(assembled_bytes=6 * MIB, large_bytes=10 * MIB, copy_part_bytes=5 * MIB)
OPTIONS = EngineOptions(probes=6, ranges=8, uploads=4, copies=4, sizing=SIZING)
QUOTA = WorkerQuota(read_bytes=6 * MIB, copied_bytes=40 * MIB, entries=1000)
SIZES = [*[3 * MIB] * 6, 14 * MIB, *[1 * MIB] * 8, 100, 0]
KEYS = [f"docs/{i:02}.pdf" for i in range(len(SIZES))]
REQUEST = {"prefix": "docs/"}


@cache
def content(number: int) -> bytes:
    return random.Random(number).randbytes(SIZES[number])


@pytest.fixture
def sources(put: Put) -> None:
    for number, key in enumerate(KEYS):
        put(key, content(number))


@pytest.fixture
def workers(workers: Workers, sources: None) -> Workers:
    """Workers whose quota the request exceeds."""
    workers.quota, workers.options = QUOTA, OPTIONS
    return workers


def digest(workers: Workers, key: str = "zips/job-1.zip") -> str:
    return hashlib.sha256(workers.target(key)).hexdigest()


def unsplit_digest(workers: Workers, request: Any = REQUEST) -> str:
    """Return the digest of the archive that one worker builds."""
    quota, workers.quota = workers.quota, WorkerQuota()
    assert workers.run(workers.submit(request, "unsplit")).status is Status.READY
    workers.quota = quota
    workers.bus.published.clear()
    return digest(workers, "zips/unsplit.zip")


def run_shuffled(workers: Workers, message: Submission, seed: int = 0) -> Job:
    """Run a job, and its segments in random order."""
    job = workers.run(message)
    assert (job.status, job.segments) == (Status.RUNNING, len(workers.queue.sent))
    random.Random(seed).shuffle(workers.queue.sent)
    for segment in workers.queue.sent:
        job = workers.run(segment)
    return job


def assert_complete(workers: Workers) -> None:
    with zipfile.ZipFile(io.BytesIO(workers.target())) as archive:
        assert archive.testzip() is None
        found = [info.CRC for info in archive.infolist()]
    assert found == [zlib.crc32(content(number)) for number in range(len(SIZES))]


def assert_is_clean(workers: Workers) -> None:
    assert (workers.work_objects(), workers.uploads()) == ([], [])


def assert_ready(workers: Workers, job: Job) -> None:
    assert job.status is Status.READY
    assert workers.bus.statuses == [Status.READY]
    assert_is_clean(workers)


@pytest.mark.parametrize(
    ("request_", "seed"), [(REQUEST, 0), ({"keys": KEYS}, 1)], ids=["prefix", "keys"]
)
def test_segments_in_any_order_make_the_unsplit_archive(
    workers: Workers, request_: Any, seed: int
) -> None:
    expected = unsplit_digest(workers, request_)
    job = run_shuffled(workers, workers.submit(request_), seed)
    assert len(workers.queue.sent) >= 3
    assert_ready(workers, job)
    assert digest(workers) == expected
    assert (job.entries_done, job.entries_total) == (len(SIZES), len(SIZES))
    assert job.bytes_done == job.bytes_total == sum(SIZES)


def test_a_job_within_the_quota_has_no_segments(workers: Workers) -> None:
    workers.quota = WorkerQuota()
    assert workers.run(workers.submit(REQUEST)).status is Status.READY
    assert workers.queue.sent == []
    assert workers.work_objects() == []


def test_progress_grows_while_segments_are_built(workers: Workers) -> None:
    job = workers.run(workers.submit(REQUEST))
    seen = []
    for segment in workers.queue.sent[:-1]:
        workers.run(segment)
        job = workers.job()
        seen.append(workers.progress.total(job).entries)
    assert seen == sorted(set(seen))
    view = JobView.of(job, (), workers.progress.total(job))
    assert 0 < view.entries.done < len(SIZES)
    assert (view.entries.total, view.bytes.total) == (len(SIZES), sum(SIZES))


def test_repeated_and_late_messages_change_nothing(workers: Workers) -> None:
    message = workers.submit(REQUEST)
    workers.run(message)
    first = workers.queue.sent[0]
    workers.run(first)
    assert workers.run(message).status is Status.RUNNING
    job = workers.run(first)
    for segment in workers.queue.sent[: len(workers.queue.sent) // 2]:
        job = workers.run(segment)
    assert_ready(workers, job)
    before = digest(workers)
    for late in [*workers.queue.sent, message]:
        assert workers.run(late).status is Status.READY
    assert digest(workers) == before
    assert_ready(workers, job)


AFTER = pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
DEATHS = [
    ("segments", "put_entries"),
    ("writer", "create"),
    ("store", "record_uploads"),
    ("segments", "put_plan"),
    ("store", "record_plan"),
    ("queue", "send_segments"),
]


@AFTER
@pytest.mark.parametrize(("owner", "method"), DEATHS, ids=[method for _, method in DEATHS])
def test_after_a_planner_dies_another_one_plans_the_job(
    workers: Workers, owner: str, method: str, after: bool
) -> None:
    message = workers.submit(REQUEST)
    with dying(getattr(workers, owner), method, after=after):
        workers.run(message, lease=timedelta(seconds=-1))
    job = workers.run(message)
    for segment in list(workers.queue.sent):
        job = workers.run(segment)
    assert job.status is Status.READY
    assert_complete(workers)
    assert_is_clean(workers)


LAST_DEATHS = [
    ("segments", "put_built"),
    ("segments", "built_segments"),
    ("store", "ready"),
    ("segment_objects", "clean"),
    ("bus", "publish"),
    ("store", "record_event_sent"),
]


@AFTER
@pytest.mark.parametrize(("owner", "method"), LAST_DEATHS, ids=[m for _, m in LAST_DEATHS])
def test_after_the_last_worker_dies_the_next_delivery_finishes(
    workers: Workers, owner: str, method: str, after: bool
) -> None:
    workers.run(workers.submit(REQUEST))
    *others, last = workers.queue.sent
    for segment in others:
        workers.run(segment)
    with dying(getattr(workers, owner), method, after=after):
        workers.run(last)
    assert workers.run(last).status is Status.READY
    assert_complete(workers)
    assert_is_clean(workers)
    assert set(workers.bus.statuses) == {Status.READY}


def test_missing_objects_are_listed_before_an_upload_is_created(workers: Workers) -> None:
    keys = [*KEYS, "gone-1.pdf", "gone-2.pdf"]
    with patch.object(workers.writer, "create", side_effect=AssertionError):
        job = workers.run(workers.submit({"keys": keys, "maxArchiveBytes": 64 * MIB}))
    assert error_of(job).code == "SOURCE_NOT_FOUND"
    assert error_of(job).objects == ("s3://src/gone-1.pdf", "s3://src/gone-2.pdf")
    assert_is_clean(workers)
    assert workers.bus.statuses == [Status.FAILED]


def test_archived_objects_are_listed_before_an_upload_is_created(workers: Workers) -> None:
    archived = ("docs/old-1.pdf", "docs/old-2.pdf")
    for key in archived:
        workers.s3.put_object(Bucket="src", Key=key, Body=b"cold", StorageClass="GLACIER")
    with patch.object(workers.writer, "create", side_effect=AssertionError):
        job = workers.run(workers.submit({**REQUEST, "maxArchiveBytes": 64 * MIB}))
    assert error_of(job).code == "SOURCE_ARCHIVED"
    assert error_of(job).objects == tuple(f"s3://src/{key}" for key in archived)


def test_a_source_that_changes_after_planning_fails_the_job_once(
    workers: Workers, put: Put
) -> None:
    workers.run(workers.submit(REQUEST))
    put(KEYS[0], b"other")
    assert error_of(workers.run(workers.queue.sent[0])).code == "SOURCE_CHANGED"
    assert workers.uploads() == []
    for segment in workers.queue.sent:
        assert workers.run(segment).status is Status.FAILED
    assert workers.bus.statuses == [Status.FAILED]
    assert_is_clean(workers)


def test_exhausted_retries_of_a_segment_fail_the_job(workers: Workers) -> None:
    workers.run(workers.submit(REQUEST))
    job = workers.fail_exhausted(workers.queue.sent[1])
    assert error_of(job).code == "RETRIES_EXHAUSTED"
    assert_is_clean(workers)


def test_numbered_archives_contain_each_object_once(workers: Workers, put: Put) -> None:
    for number in range(12):
        put(f"docs/more-{number}.pdf", random.Random(number).randbytes(3 * MIB))
    workers.quota = replace(QUOTA, read_bytes=40 * MIB)
    job = run_shuffled(workers, workers.submit({**REQUEST, "maxArchiveBytes": 64 * MIB}))
    assert_ready(workers, job)
    assert [one.key for one in job.archives] == [
        f"zips/job-1-{number:03}.zip" for number in range(1, len(job.archives) + 1)
    ]
    assert len(job.archives) == 2
    names: list[str] = []
    for one in job.archives:
        assert one.size == len(workers.target(one.key)) <= 64 * MIB
        found = workers.member_names(one.key)
        assert len(found) == one.entries
        names += found
    assert len(names) == len(set(names)) == len(SIZES) + 12


def test_a_failed_abort_does_not_block_the_event(workers: Workers) -> None:
    workers.run(workers.submit(REQUEST))
    with patch.object(UploadCleaner, "abort", side_effect=TargetForbidden("no")):
        job = workers.fail_exhausted(workers.queue.sent[0])
    assert job.status is Status.FAILED
    assert workers.bus.statuses == [Status.FAILED]


def test_progress_items_are_not_jobs(workers: Workers) -> None:
    job = workers.run(workers.submit(REQUEST))
    workers.run(workers.queue.sent[0])
    assert workers.store.get(f"{job.job_id}#0") is None
