"""Cancelled jobs, skipped objects, receipts, and jobs that were lost on the way, on moto."""

import json
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from unittest.mock import patch

import pytest

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.integration.conftest import GRACE_SECONDS
from tests.integration.worker_setup import POLICY, Bus, Workers
from tests.support.builders import submission
from zipjobs.archive.part_sizing import MIB
from zipjobs.errors import ServiceUnavailable
from zipjobs.jobs.job import MAX_RECORDED_NAMES, Job, JobError, Status, truncate_names
from zipjobs.model import utc_now
from zipjobs.requests.allow_list import Destination
from zipjobs.requests.schema import JobRequest
from zipjobs.s3.retry import MAX_CHECKS
from zipjobs.s3.target import OWNER_TAG
from zipjobs.worker.archive_runner import ArchiveRunner
from zipjobs.worker.request_loader import LoadedRequest
from zipjobs.worker.segment_plan import WorkerQuota

SMALL_QUOTA = WorkerQuota(entries=2)
LEASE = timedelta(minutes=15)


def receipt(workers: Workers, stem: str = "zips/job-1") -> Any:
    body = workers.s3.get_object(Bucket="dst", Key=f"{stem}.receipt.json")["Body"].read()
    return json.loads(body)


def targets(workers: Workers) -> list[str]:
    found = workers.s3.list_objects_v2(Bucket="dst").get("Contents", [])
    return [one["Key"] for one in found]


def assert_nothing_is_left(workers: Workers, uploads: Callable[[], list[Any]]) -> None:
    assert targets(workers) == []
    assert workers.work_objects() == []
    assert uploads() == []


# Receipts


@pytest.mark.parametrize("quota", [WorkerQuota(), SMALL_QUOTA], ids=["one worker", "planned"])
def test_a_job_knows_the_versions_of_its_archive_and_receipt(
    workers: Workers, quota: WorkerQuota
) -> None:
    workers.quota = quota
    workers.s3.put_bucket_versioning(Bucket="dst", VersioningConfiguration={"Status": "Enabled"})
    job = workers.run(workers.request({"keys": ["a/one.pdf", "b/one.pdf", "a/one.pdf"]}))
    for segment in workers.queue.sent:
        job = workers.run(segment)
    (facts,) = job.archives
    for key, version in (
        (facts.key, facts.version_id),
        (facts.receipt_key, facts.receipt_version_id),
    ):
        assert workers.s3.head_object(Bucket="dst", Key=key)["VersionId"] == version


def test_a_receipt_says_what_stands_in_the_archive_and_where_it_came_from(workers: Workers) -> None:
    workers.s3.put_bucket_versioning(Bucket="src", VersioningConfiguration={"Status": "Enabled"})
    put = workers.s3.put_object(Bucket="src", Key="c/zwei €.pdf", Body=b"three")
    job = workers.run(workers.request({"keys": ["a/one.pdf", "c/zwei €.pdf"]}))
    (facts,) = job.archives
    found = receipt(workers)
    assert found["archive"] == {
        "bucket": "dst",
        "key": "zips/job-1.zip",
        "size": facts.size,
        "crc32": facts.crc32,
        "etag": facts.etag,
        "entries": 2,
    }
    assert found["skipped"] == []
    assert found["entries"][1] == {
        "name": "zwei €.pdf",
        "bucket": "src",
        "key": "c/zwei €.pdf",
        "versionId": put["VersionId"],
        "etag": put["ETag"],
        "size": 5,
        "crc32": f"{zlib.crc32(b'three'):08x}",
    }
    archive = workers.s3.get_object(Bucket="dst", Key="zips/job-1.zip")["Body"].read()
    assert f"{zlib.crc32(archive):08x}" == found["archive"]["crc32"]


def test_a_planned_job_has_the_receipt_that_one_worker_would_have_written(workers: Workers) -> None:
    request = {"keys": ["a/one.pdf", "b/one.pdf", "gone.pdf", "a/one.pdf"], "onMissing": "skip"}
    alone = workers.run(workers.request(request).model_copy(update={"job_id": "alone"}))
    workers.quota = SMALL_QUOTA
    job = workers.run(workers.request(request))
    assert job.segments is not None
    for segment in workers.queue.sent:
        job = workers.run(segment)
    assert (job.status, job.skipped) == (alone.status, alone.skipped) == (Status.READY, 1)
    planned, by_one = receipt(workers), receipt(workers, "zips/alone")
    assert planned["entries"] == by_one["entries"]
    assert planned["skipped"] == by_one["skipped"]
    assert workers.work_objects() == []


# Missing sources


def test_missing_objects_are_all_named_in_the_error(workers: Workers) -> None:
    keys = ["a/one.pdf", *(f"gone-{number}.pdf" for number in range(30))]
    job = workers.run(workers.request({"keys": keys}))
    assert job.error is not None
    assert (job.status, job.error.code) == (Status.FAILED, "SOURCE_NOT_FOUND")
    assert job.error.objects == tuple(f"s3://src/gone-{number}.pdf" for number in range(30))


@pytest.mark.parametrize("compression", ["store", "deflate"])
def test_missing_objects_are_skipped_if_asked_for_and_never_silently(
    workers: Workers, compression: str
) -> None:
    keys = ["gone-1.pdf", "a/one.pdf", "gone-2.pdf", "b/one.pdf", "gone-3.pdf"]
    job = workers.run(
        workers.request({"keys": keys, "onMissing": "skip", "compression": compression})
    )
    missing = [f"gone-{number}.pdf" for number in (1, 2, 3)]
    assert (job.status, job.entries_done, job.entries_total) == (Status.READY, 2, 2)
    assert job.skipped == 3
    assert job.skipped_objects == tuple(f"s3://src/{key}" for key in missing)
    found = receipt(workers)
    assert [one["key"] for one in found["skipped"]] == missing
    assert [one["name"] for one in found["entries"]] == ["one.pdf", "one (2).pdf"]
    assert workers.bus.published[0].skipped == 3


@pytest.mark.parametrize("quota", [WorkerQuota(), SMALL_QUOTA], ids=["alone", "planned"])
def test_a_job_of_nothing_but_missing_objects_fails(
    workers: Workers, uploads: Callable[[], list[Any]], quota: WorkerQuota
) -> None:
    workers.quota = quota
    request = {"keys": ["gone-1.pdf", "gone-2.pdf", "gone-3.pdf"], "onMissing": "skip"}
    job = workers.run(workers.request(request))
    assert job.error is not None
    assert (job.status, job.error.code) == (Status.FAILED, "SOURCE_NOT_FOUND")
    assert len(job.error.objects) == 3
    assert_nothing_is_left(workers, uploads)


def test_a_list_that_knows_the_size_of_an_object_does_not_know_that_it_exists(
    workers: Workers,
) -> None:
    rows = [{"key": key, "size": 3} for key in ("a/one.pdf", "gone.pdf", "b/one.pdf")]
    lines = "\n".join(json.dumps(row) for row in rows)
    workers.s3.put_object(Bucket="src", Key="list.jsonl", Body=lines.encode())
    workers.quota = SMALL_QUOTA
    job = workers.run(workers.request({"entriesFrom": "s3://src/list.jsonl", "onMissing": "skip"}))
    for segment in workers.queue.sent:
        job = workers.run(segment)
    assert (job.status, job.entries_done, job.skipped) == (Status.READY, 2, 1)


def test_a_record_names_as_many_objects_as_it_has_room_for() -> None:
    assert len(truncate_names([f"s3://b/{n}" for n in range(10_000)])) == MAX_RECORDED_NAMES
    assert sum(map(len, truncate_names(["x" * 1024] * 200))) <= 20_000


# Cancelled jobs


def cancel_in(workers: Workers, owner: Any, method: str, *, after: bool) -> Any:
    """Cancel the job while a worker is at its first call of ``method``."""
    real, calls = getattr(owner, method), iter(range(1000))

    def cancelling(*args: Any, **kwargs: Any) -> Any:
        if next(calls):
            return real(*args, **kwargs)
        answer = real(*args, **kwargs) if after else None
        workers.finalizer.cancel("job-1")
        return answer if after else real(*args, **kwargs)

    return patch.object(owner, method, cancelling)


MOMENTS = [
    ("store", "record_destination"),
    ("writer", "create"),
    ("store", "record_uploads"),
    ("store", "ready"),
]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "method"), MOMENTS[:-1], ids=[m for _, m in MOMENTS[:-1]])
def test_a_job_that_is_cancelled_while_it_is_worked_on_leaves_nothing(
    workers: Workers, uploads: Callable[[], list[Any]], owner: str, method: str, after: bool
) -> None:
    message = workers.request({"keys": ["a/one.pdf", "b/one.pdf"]})
    with cancel_in(workers, getattr(workers, owner), method, after=after):
        job = workers.run(message)
    assert job.status is Status.CANCELLED
    assert_nothing_is_left(workers, uploads)
    assert [one.status for one in workers.bus.published] == [Status.CANCELLED]


def test_an_archive_that_was_made_too_late_is_removed(
    workers: Workers, uploads: Callable[[], list[Any]]
) -> None:
    message = workers.request({"keys": ["a/one.pdf"]})
    with cancel_in(workers, workers.store, "ready", after=False):
        assert workers.run(message).status is Status.CANCELLED
    assert_nothing_is_left(workers, uploads)


def test_a_worker_that_waits_for_bytes_stops_when_its_job_is_cancelled(
    workers: Workers, uploads: Callable[[], list[Any]]
) -> None:
    """No part is sent and no byte comes: the beat alone says that the job is over."""
    message = workers.request({"keys": ["a/one.pdf"]})

    class Silent:
        def __init__(self) -> None:
            workers.finalizer.cancel("job-1")

        def cancel(self) -> None:
            """Nothing was read."""

    with (
        patch.object(workers.reader, "read", lambda *args, **kwargs: Silent()),
        patch.object(workers, "options", workers.options.__class__(progress_seconds=0.01)),
    ):
        assert workers.run(message).status is Status.CANCELLED
    assert_nothing_is_left(workers, uploads)


def test_a_planned_job_that_is_cancelled_leaves_nothing(
    workers: Workers, uploads: Callable[[], list[Any]]
) -> None:
    workers.quota = SMALL_QUOTA
    workers.run(workers.request({"keys": ["a/one.pdf", "b/one.pdf", "a/one.pdf"]}))
    first, *_ = workers.queue.sent
    with cancel_in(workers, workers.segments, "entries", after=True):
        assert workers.run(first).status is Status.CANCELLED
    for late in workers.queue.sent:
        assert workers.run(late).status is Status.CANCELLED
    assert_nothing_is_left(workers, uploads)
    assert [one.status for one in workers.bus.published] == [Status.CANCELLED]


def test_a_job_that_nobody_has_started_can_be_cancelled(workers: Workers) -> None:
    message = workers.request({"keys": ["a/one.pdf"]})
    request = JobRequest(keys=("a/one.pdf",))
    workers.store.create(message, POLICY.resolve(request, "job-1"), 1)
    cancelled = workers.finalizer.cancel("job-1")
    assert cancelled is not None
    assert cancelled.status is Status.CANCELLED
    assert workers.run(message).status is Status.CANCELLED
    assert targets(workers) == []
    assert len(workers.bus.published) == 1


def test_cancelling_twice_is_cancelling_once_and_an_end_stays(workers: Workers) -> None:
    message = workers.request({"keys": ["a/one.pdf"]})
    workers.run(message)
    job = workers.finalizer.cancel("job-1")
    assert job is not None
    assert job.status is Status.READY
    assert targets(workers) == ["zips/job-1.receipt.json", "zips/job-1.zip"]
    assert workers.finalizer.cancel("nobody") is None


@pytest.mark.parametrize("mark", ["other", "job-1", "job-1/2026-01-01T00:00:00.000Z"])
def test_what_another_put_at_the_target_is_not_removed(workers: Workers, mark: str) -> None:
    """The other may be a job that had the same idempotency key, long ago."""
    workers.s3.put_object(
        Bucket="dst", Key="zips/job-1.zip", Body=b"theirs", Metadata={OWNER_TAG: mark}
    )
    job = workers.run(workers.request({"keys": ["a/one.pdf"]}))
    assert job.error is not None
    assert job.error.code == "TARGET_EXISTS"
    assert targets(workers) == ["zips/job-1.zip"]


# Jobs that were lost on the way


def later(workers: Workers, **how_much: int) -> Any:
    """The time, for the store of jobs."""
    return patch.object(workers.store, "_clock", lambda: utc_now() + timedelta(**how_much))


def lost(workers: Workers) -> Job:
    """A job whose message is gone before anybody took it."""
    message = workers.request({"keys": ["a/one.pdf"]})
    workers.store.create(message, POLICY.resolve(JobRequest(keys=("a/one.pdf",)), "job-1"), 1)
    job = workers.store.get("job-1")
    assert job is not None
    return job


def test_a_lost_message_is_sent_again(workers: Workers) -> None:
    job = lost(workers)
    assert workers.reconciler.reconcile().sent == 0
    with later(workers, seconds=GRACE_SECONDS):
        assert workers.reconciler.reconcile().sent == 1
        assert workers.reconciler.reconcile().sent == 0
    assert workers.queue.sent == [job.submission]
    assert workers.run(workers.queue.sent[0]).status is Status.READY
    with later(workers, days=10):
        assert workers.reconciler.reconcile() == type(workers.reconciler.reconcile())()


def test_a_job_that_never_comes_to_an_end_is_given_up_in_bounded_time(workers: Workers) -> None:
    lost(workers)
    hours = 0
    while not (workers.store.get("job-1") or pytest.fail("the record is gone")).is_final:
        hours += 1
        with later(workers, hours=hours):
            workers.reconciler.reconcile()
    job = workers.store.get("job-1")
    assert job is not None
    assert job.error is not None
    assert (job.status, job.error.code) == (Status.FAILED, "RETRIES_EXHAUSTED")
    assert len(workers.queue.sent) == MAX_CHECKS
    assert hours < 72
    assert [one.status for one in workers.bus.published] == [Status.FAILED]


def test_a_live_job_is_left_alone(workers: Workers) -> None:
    workers.store.claim(
        workers.request({"keys": ["a/one.pdf"]}), "worker", datetime.now(UTC) + LEASE
    )
    with later(workers, minutes=14):
        assert workers.reconciler.reconcile().sent == 0


def test_only_the_segments_that_are_missing_are_sent_again(
    workers: Workers, put: Callable[[str, bytes], str]
) -> None:
    workers.quota = SMALL_QUOTA
    keys = [f"big-{number}.pdf" for number in range(5)]
    for key in keys:
        put(key, bytes(6 * MIB))
    workers.run(workers.request({"keys": keys}))
    first, *others = workers.queue.sent
    workers.run(first)
    workers.queue.sent = []
    with later(workers, seconds=GRACE_SECONDS):
        workers.reconciler.reconcile()
    assert workers.queue.sent == others
    assert others
    ends = [workers.run(segment).status for segment in others]
    assert ends[-1] is Status.READY


def test_a_planned_job_that_nobody_finished_is_finished(workers: Workers) -> None:
    workers.quota = SMALL_QUOTA
    workers.run(workers.request({"keys": ["a/one.pdf", "b/one.pdf", "a/one.pdf"]}))
    *others, last = workers.queue.sent
    for segment in others:
        workers.run(segment)
    with (
        patch.object(workers.writer, "resume", side_effect=workers.writer.resume) as resumed,
        patch.object(workers.store, "send_heartbeat", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        workers.run(last)
    assert resumed.called
    workers.queue.sent = []
    with later(workers, seconds=GRACE_SECONDS):
        workers.reconciler.reconcile()
    (again,) = workers.queue.sent
    assert workers.run(again).status is Status.READY


def test_an_event_that_nobody_sent_is_sent(workers: Workers) -> None:
    workers.bus.failures = 1
    with pytest.raises(ServiceUnavailable):
        workers.run(workers.request({"keys": ["a/one.pdf"]}))
    with later(workers, seconds=GRACE_SECONDS):
        assert workers.reconciler.reconcile().finalized == 1
        assert workers.reconciler.reconcile().finalized == 0
    assert [one.status for one in workers.bus.published] == [Status.READY]


def test_trouble_with_one_job_does_not_keep_the_reconciler_from_the_next(workers: Workers) -> None:
    for number in range(2):
        message = submission(job_id=f"lost-{number}")
        request = JobRequest(keys=("a/one.pdf",))
        workers.store.create(message, POLICY.resolve(request, message.job_id), 1)
    sends = iter([ServiceUnavailable("no"), None])

    def send(submission: Any) -> None:
        if error := next(sends):
            raise error

    with later(workers, seconds=GRACE_SECONDS), patch.object(workers.queue, "send", send):
        swept = workers.reconciler.reconcile()
    assert (swept.left, swept.sent) == (1, 1)


# Leases


def test_a_worker_that_lost_its_lease_changes_nothing(
    workers: Workers, uploads: Callable[[], list[Any]]
) -> None:
    """It wakes up after its lease, while its successor is at work."""
    message = workers.request({"keys": ["a/one.pdf"]})
    real = ArchiveRunner.run
    claims = iter(range(10))

    def run(self: ArchiveRunner, loaded: LoadedRequest) -> Job:
        if next(claims) == 0:
            assert workers.run(message).status is Status.READY
        return real(self, loaded)

    with patch.object(ArchiveRunner, "run", run):
        assert workers.run(message, lease=timedelta(seconds=-1)).status is Status.READY
    assert targets(workers) == ["zips/job-1.receipt.json", "zips/job-1.zip"]
    assert uploads() == []
    assert len(workers.bus.published) == 1


def test_what_a_dead_worker_made_of_sources_that_changed_is_made_anew(
    workers: Workers, put: Callable[[str, bytes], str]
) -> None:
    message = workers.request({"keys": ["a/one.pdf"]})
    with (
        patch.object(workers.store, "ready", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        workers.run(message, lease=timedelta(seconds=-1))
    put("a/one.pdf", b"changed")
    with pytest.raises(ServiceUnavailable, match="have changed since"):
        workers.run(message)
    job = workers.run(message)
    assert (job.status, job.bytes_done) == (Status.READY, len(b"changed"))


def test_an_upload_that_was_created_twice_unheard_is_not_left(
    workers: Workers, uploads: Callable[[], list[Any]], faults: FaultInjector
) -> None:
    """The first answer is lost, and botocore asks again."""
    plan = "faults: [{operation: CreateMultipartUpload, nth: 1, when: after, reset: true}]"
    message = workers.request({"keys": ["a/one.pdf"]})
    faults.install(FaultPlan.parse(plan))
    assert workers.run(message).status is Status.READY
    assert len(faults.injected) == 1
    assert uploads() == []


def test_a_job_that_was_nearly_planned_and_is_then_made_alone_leaves_no_plan(
    workers: Workers,
) -> None:
    workers.quota = SMALL_QUOTA
    message = workers.request({"keys": ["a/one.pdf", "b/one.pdf", "a/one.pdf"]})
    with (
        patch.object(workers.store, "record_plan", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        workers.run(message, lease=timedelta(seconds=-1))
    assert workers.work_objects()
    workers.quota = WorkerQuota()
    assert workers.run(message).status is Status.READY
    assert workers.work_objects() == []


def test_a_late_finisher_does_not_forget_what_was_skipped(workers: Workers) -> None:
    """While it finishes, another has finished, and cleaned up."""
    workers.quota = SMALL_QUOTA
    workers.run(
        workers.request({"keys": ["a/one.pdf", "gone.pdf", "b/one.pdf"], "onMissing": "skip"})
    )
    (segment,) = workers.queue.sent
    real, calls = workers.segments.skipped, iter(range(10))

    def skipped(job_id: str) -> Any:
        if next(calls) == 0:
            assert workers.run(segment).status is Status.READY
        return real(job_id)

    with patch.object(workers.segments, "skipped", skipped):
        assert workers.run(segment).status is Status.READY
    assert [one["key"] for one in receipt(workers)["skipped"]] == ["gone.pdf"]


# Clean-up that S3 refuses


@pytest.mark.parametrize(
    ("operation", "code", "status"),
    [
        ("ListMultipartUploads", "InvalidArgument", 400),
        ("ListMultipartUploads", "AccessDenied", 403),
        ("HeadObject", "InvalidRequest", 400),
        ("ListObjectsV2", "AccessDenied", 403),
        ("DeleteObjects", "AccessDenied", 403),
    ],
)
def test_a_job_is_finished_though_s3_refuses_its_clean_up(
    workers: Workers, bus: Bus, faults: FaultInjector, operation: str, code: str, status: int
) -> None:
    message = workers.request({"keys": ["gone.pdf"]})
    workers.s3.put_object(Bucket="manifests", Key="work/job-1/left", Body=b"")
    fault = {"operation": operation, "error": {"code": code, "status": status}}
    faults.install(FaultPlan.parse(json.dumps({"faults": [fault]})))
    assert workers.run(message).status is Status.FAILED
    assert faults.injected
    assert len(bus.published) == 1
    assert workers.finalizer.cancel("job-1") is not None


def test_a_target_that_no_answer_can_name_does_not_keep_a_job_from_its_end(
    workers: Workers, bus: Bus
) -> None:
    """XML has no control characters, so botocore cannot read what S3 says about such a key."""
    message = workers.request({"keys": ["gone.pdf"]})
    job = workers.store.claim(message, "worker", utc_now() + LEASE)
    place = Destination("src", "dst", "zips/\0x/job-1.zip")
    job = workers.store.record_destination(job, place, 1)
    job = workers.store.fail(job, JobError(code="X", message="y"))
    workers.finalizer.finalize(job)
    assert [one.job_id for one in bus.published] == ["job-1"]


def test_the_record_of_a_job_lives_on_from_its_end(workers: Workers) -> None:
    job = workers.run(workers.request({"keys": ["a/one.pdf"]}))
    assert job.finished_at is not None
    assert job.expires_at == int(job.finished_at.timestamp()) + 3600


def test_a_failed_jobs_error_names_its_objects() -> None:
    error = JobError(code="X", message="y", objects=("s3://a/b",))
    assert JobError.model_validate_json(error.model_dump_json(by_alias=True)) == error
    assert partial(JobError, code="X", message="y")().objects == ()
