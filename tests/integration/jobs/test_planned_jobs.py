"""Jobs that are more than one worker's share, on moto: planned, made in segments, and ended."""

import hashlib
import io
import random
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest

from tests.integration.worker_setup import Workers
from zipjobs.archive.options import EngineOptions
from zipjobs.archive.part_sizing import MIB, PartSizing
from zipjobs.errors import ServiceUnavailable, TargetForbidden
from zipjobs.jobs.job import Job, Status, Submission
from zipjobs.jobs.segment_progress import SegmentProgress
from zipjobs.jobs.view import JobView
from zipjobs.s3.upload_cleanup import UploadCleaner
from zipjobs.worker.segment_plan import WorkerQuota

SIZING = PartSizing(assembled_bytes=6 * MIB, large_bytes=10 * MIB, own_bytes=5 * MIB)
OPTIONS = EngineOptions(probes=6, ranges=8, uploads=4, copies=4, sizing=SIZING)
QUOTA = WorkerQuota(read_bytes=6 * MIB, copied_bytes=40 * MIB, entries=1000)
SIZES = [*[3 * MIB] * 6, 14 * MIB, *[1 * MIB] * 8, 100, 0]
KEYS = [f"docs/{i:02}.pdf" for i in range(len(SIZES))]
REQUEST = {"prefix": "docs/"}


@pytest.fixture
def sources(put: Callable[[str, bytes], str]) -> None:
    for i, (key, size) in enumerate(zip(KEYS, SIZES, strict=True)):
        put(key, random.Random(i).randbytes(size))


@pytest.fixture
def sharing(workers: Workers, sources: None) -> Workers:
    workers.quota, workers.options = QUOTA, OPTIONS
    return workers


def digest(workers: Workers, key: str = "zips/job-1.zip") -> str:
    body = workers.s3.get_object(Bucket="dst", Key=key)["Body"].read()
    return hashlib.sha256(body).hexdigest()


def one_workers(workers: Workers, request: Any = REQUEST) -> str:
    """The digest of the archive that one worker makes of the same request."""
    quota, workers.quota = workers.quota, WorkerQuota()
    message = workers.request(request).model_copy(update={"job_id": "alone"})
    assert workers.run(message).status is Status.READY
    workers.quota = quota
    workers.bus.published.clear()
    return digest(workers, "zips/alone.zip")


def run_all(workers: Workers, message: Submission, seed: int = 0) -> Job:
    """Run a job and its segments, in some order."""
    job = workers.run(message)
    assert (job.status, job.segments) == (Status.RUNNING, len(workers.queue.sent))
    random.Random(seed).shuffle(workers.queue.sent)
    for segment in workers.queue.sent:
        job = workers.run(segment)
    return job


def assert_ended_well(workers: Workers, job: Job, uploads: Callable[[], list[Any]]) -> None:
    assert job.status is Status.READY
    assert [published.status for published in workers.bus.published] == [Status.READY]
    assert workers.work_objects() == []
    assert uploads() == []


@pytest.mark.parametrize("request_", [REQUEST, {"keys": KEYS}], ids=["prefix", "keys"])
@pytest.mark.parametrize("seed", range(2))
def test_segments_in_any_order_make_one_workers_archive(
    sharing: Workers, uploads: Callable[[], list[Any]], request_: Any, seed: int
) -> None:
    expected = one_workers(sharing, request_)
    job = run_all(sharing, sharing.request(request_), seed)
    assert len(sharing.queue.sent) >= 3
    assert_ended_well(sharing, job, uploads)
    assert digest(sharing) == expected
    assert (job.entries_done, job.entries_total) == (len(SIZES), len(SIZES))
    assert job.bytes_done == job.bytes_total == sum(SIZES)


def test_a_job_that_is_one_workers_share_has_no_segments(workers: Workers, sources: None) -> None:
    assert workers.run(workers.request(REQUEST)).status is Status.READY
    assert workers.queue.sent == []
    assert workers.work_objects() == []


def test_progress_adds_up_while_segments_are_made(sharing: Workers, dynamodb: Any) -> None:
    job = sharing.run(sharing.request(REQUEST))
    seen = []
    for segment in sharing.queue.sent[:-1]:
        sharing.run(segment)
        now = sharing.store.get(job.job_id)
        assert now is not None
        seen.append(SegmentProgress(dynamodb, "jobs").total(now).entries)
    assert seen == sorted(set(seen))
    assert now is not None
    view = JobView.of(now, (), SegmentProgress(dynamodb, "jobs").total(now))
    assert 0 < view.entries.done < len(SIZES)
    assert (view.entries.total, view.bytes.total) == (len(SIZES), sum(SIZES))


def test_segments_that_come_twice_or_too_late_change_nothing(
    sharing: Workers, uploads: Callable[[], list[Any]]
) -> None:
    message = sharing.request(REQUEST)
    sharing.run(message)
    first = sharing.queue.sent[0]
    sharing.run(first)
    job = run_all_again(sharing, message, first)
    assert_ended_well(sharing, job, uploads)
    before = digest(sharing)
    for late in [*sharing.queue.sent, message]:
        assert sharing.run(late).status is Status.READY
    assert digest(sharing) == before
    assert_ended_well(sharing, job, uploads)


def run_all_again(workers: Workers, message: Submission, first: Submission) -> Job:
    assert workers.run(message).status is Status.RUNNING  # the first message, once more
    job = workers.run(first)
    for segment in workers.queue.sent[: len(workers.queue.sent) // 2]:
        job = workers.run(segment)
    return job


class Died(BaseException):
    """The worker's process is gone; nothing of it runs any more."""


@contextmanager
def dying(
    workers: Workers, owner: str, method: str, *, after: bool, call: int = 1
) -> Iterator[None]:
    """A worker that dies at the ``call``-th call of a method, before or after its effect."""
    target = getattr(workers, owner)
    real, calls = getattr(target, method), iter(range(1, 1000))

    def die(*args: Any, **kwargs: Any) -> Any:
        if next(calls) != call:
            return real(*args, **kwargs)
        if after:
            real(*args, **kwargs)
        raise Died

    with patch.object(target, method, die), pytest.raises(Died):
        yield


DEATHS = [
    ("segments", "put_entries"),
    ("writer", "create"),
    ("store", "record_uploads"),
    ("segments", "put_plan"),
    ("store", "record_plan"),
    ("queue", "send_segments"),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "method"), DEATHS, ids=[method for _, method in DEATHS])
def test_a_planner_that_dies_is_followed_by_another(
    sharing: Workers, uploads: Callable[[], list[Any]], owner: str, method: str, after: bool
) -> None:
    expected = one_workers(sharing)
    message = sharing.request(REQUEST)
    with dying(sharing, owner, method, after=after):
        sharing.run(message, lease=timedelta(seconds=-1))
    job = sharing.run(message)
    for segment in list(sharing.queue.sent):
        job = sharing.run(segment)
    assert digest(sharing) == expected
    assert job.status is Status.READY
    assert sharing.work_objects() == []
    assert uploads() == []


LAST_DEATHS = [
    ("segments", "put_built"),
    ("segments", "built_segments"),
    ("store", "ready"),
    ("segment_objects", "clean"),
    ("bus", "publish"),
    ("store", "record_event_sent"),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "method"), LAST_DEATHS, ids=[m for _, m in LAST_DEATHS])
def test_the_last_worker_dies_and_the_job_ends_all_the_same(
    sharing: Workers, uploads: Callable[[], list[Any]], owner: str, method: str, after: bool
) -> None:
    expected = one_workers(sharing)
    sharing.run(sharing.request(REQUEST))
    *others, last = sharing.queue.sent
    for segment in others:
        sharing.run(segment)
    with dying(sharing, owner, method, after=after):
        sharing.run(last)
    job = sharing.run(last)
    assert job.status is Status.READY
    assert digest(sharing) == expected
    assert sharing.work_objects() == []
    assert uploads() == []
    assert {published.status for published in sharing.bus.published} == {Status.READY}


def test_missing_objects_are_all_named_before_a_byte_is_moved(
    sharing: Workers, uploads: Callable[[], list[Any]]
) -> None:
    keys = [*KEYS, "gone-1.pdf", "gone-2.pdf"]
    with patch.object(sharing.writer, "create", side_effect=AssertionError):
        job = sharing.run(sharing.request({"keys": keys, "maxArchiveBytes": 64 * MIB}))
    assert job.error is not None
    assert (job.status, job.error.code) == (Status.FAILED, "SOURCE_NOT_FOUND")
    assert "gone-1.pdf" in job.error.message
    assert "gone-2.pdf" in job.error.message
    assert sharing.work_objects() == []
    assert uploads() == []
    assert [published.status for published in sharing.bus.published] == [Status.FAILED]


def test_archived_objects_are_all_named_before_a_byte_is_moved(sharing: Workers) -> None:
    for name in ("old-1", "old-2"):
        sharing.s3.put_object(
            Bucket="src", Key=f"docs/{name}.pdf", Body=b"cold", StorageClass="GLACIER"
        )
    with patch.object(sharing.writer, "create", side_effect=AssertionError):
        job = sharing.run(sharing.request({**REQUEST, "maxArchiveBytes": 64 * MIB}))
    assert job.error is not None
    assert (job.status, job.error.code) == (Status.FAILED, "SOURCE_ARCHIVED")
    assert "old-1" in job.error.message
    assert "old-2" in job.error.message


def test_a_source_that_changes_under_a_plan_fails_the_job_once(
    sharing: Workers, put: Callable[[str, bytes], str], uploads: Callable[[], list[Any]]
) -> None:
    sharing.run(sharing.request(REQUEST))
    put(KEYS[0], b"other")
    job = sharing.run(sharing.queue.sent[0])
    assert job.error is not None
    assert (job.status, job.error.code) == (Status.FAILED, "SOURCE_CHANGED")
    assert uploads() == []
    for segment in sharing.queue.sent:
        assert sharing.run(segment).status is Status.FAILED
    assert [published.status for published in sharing.bus.published] == [Status.FAILED]
    assert sharing.work_objects() == []


def test_a_segment_that_the_queue_gives_up_on_fails_the_job(
    sharing: Workers, uploads: Callable[[], list[Any]]
) -> None:
    sharing.run(sharing.request(REQUEST))
    job = sharing.fail_exhausted(sharing.queue.sent[1])
    assert job.error is not None
    assert job.error.code == "RETRIES_EXHAUSTED"
    assert uploads() == []
    assert sharing.work_objects() == []


def test_numbered_archives_are_valid_alone_and_hold_everything_once(
    sharing: Workers, put: Callable[[str, bytes], str], uploads: Callable[[], list[Any]]
) -> None:
    for number in range(40):
        put(f"docs/more-{number}.pdf", random.Random(number).randbytes(3 * MIB))
    sharing.quota = replace(QUOTA, read_bytes=40 * MIB)
    job = run_all(sharing, sharing.request({**REQUEST, "maxArchiveBytes": 64 * MIB}))
    assert_ended_well(sharing, job, uploads)
    assert [one.key for one in job.archives] == [
        f"zips/job-1-{number:03}.zip" for number in range(1, len(job.archives) + 1)
    ]
    assert len(job.archives) >= 3
    names: list[str] = []
    for one in job.archives:
        assert one.size <= 64 * MIB
        body = sharing.s3.get_object(Bucket="dst", Key=one.key)["Body"].read()
        assert len(body) == one.size
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            assert archive.testzip() is None
            assert len(archive.namelist()) == one.entries
            names += archive.namelist()
    assert len(names) == len(set(names)) == len(SIZES) + 40


def test_an_upload_that_may_not_be_aborted_does_not_keep_the_event(sharing: Workers) -> None:
    sharing.run(sharing.request(REQUEST))
    with patch.object(UploadCleaner, "abort", side_effect=TargetForbidden("no")):
        job = sharing.fail_exhausted(sharing.queue.sent[0])
    assert job.status is Status.FAILED
    assert [published.status for published in sharing.bus.published] == [Status.FAILED]


def test_the_counts_of_segments_are_no_jobs(sharing: Workers) -> None:
    job = sharing.run(sharing.request(REQUEST))
    sharing.run(sharing.queue.sent[0])
    assert sharing.store.get(f"{job.job_id}#0") is None


def test_an_event_that_was_refused_follows(sharing: Workers) -> None:
    sharing.bus.failures = 1
    sharing.run(sharing.request(REQUEST))
    *others, last = sharing.queue.sent
    for segment in others:
        sharing.run(segment)
    with pytest.raises(ServiceUnavailable):
        sharing.run(last)
    assert sharing.run(last).status is Status.READY
    assert len(sharing.bus.published) == 1
