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
from tests.integration.rig import POLICY, Bus, Rig
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

SMALL_SHARE = WorkerQuota(entries=2)
LEASE = timedelta(minutes=15)


def receipt(rig: Rig, stem: str = "zips/job-1") -> Any:
    body = rig.s3.get_object(Bucket="dst", Key=f"{stem}.receipt.json")["Body"].read()
    return json.loads(body)


def targets(rig: Rig) -> list[str]:
    found = rig.s3.list_objects_v2(Bucket="dst").get("Contents", [])
    return [one["Key"] for one in found]


def assert_nothing_is_left(rig: Rig, uploads: Callable[[], list[Any]]) -> None:
    assert targets(rig) == []
    assert rig.working_objects() == []
    assert uploads() == []


# Receipts


@pytest.mark.parametrize("share", [WorkerQuota(), SMALL_SHARE], ids=["one worker", "planned"])
def test_a_job_knows_the_versions_of_its_archive_and_receipt(rig: Rig, share: WorkerQuota) -> None:
    rig.share = share
    rig.s3.put_bucket_versioning(Bucket="dst", VersioningConfiguration={"Status": "Enabled"})
    job = rig.run(rig.request({"keys": ["a/one.pdf", "b/one.pdf", "a/one.pdf"]}))
    for segment in rig.queue.sent:
        job = rig.run(segment)
    (facts,) = job.archives
    for key, version in (
        (facts.key, facts.version_id),
        (facts.receipt_key, facts.receipt_version_id),
    ):
        assert rig.s3.head_object(Bucket="dst", Key=key)["VersionId"] == version


def test_a_receipt_says_what_stands_in_the_archive_and_where_it_came_from(rig: Rig) -> None:
    rig.s3.put_bucket_versioning(Bucket="src", VersioningConfiguration={"Status": "Enabled"})
    put = rig.s3.put_object(Bucket="src", Key="c/zwei €.pdf", Body=b"three")
    job = rig.run(rig.request({"keys": ["a/one.pdf", "c/zwei €.pdf"]}))
    (facts,) = job.archives
    found = receipt(rig)
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
    archive = rig.s3.get_object(Bucket="dst", Key="zips/job-1.zip")["Body"].read()
    assert f"{zlib.crc32(archive):08x}" == found["archive"]["crc32"]


def test_a_planned_job_has_the_receipt_that_one_worker_would_have_written(rig: Rig) -> None:
    request = {"keys": ["a/one.pdf", "b/one.pdf", "gone.pdf", "a/one.pdf"], "onMissing": "skip"}
    alone = rig.run(rig.request(request).model_copy(update={"job_id": "alone"}))
    rig.share = SMALL_SHARE
    job = rig.run(rig.request(request))
    assert job.segments is not None
    for segment in rig.queue.sent:
        job = rig.run(segment)
    assert (job.status, job.skipped) == (alone.status, alone.skipped) == (Status.READY, 1)
    planned, by_one = receipt(rig), receipt(rig, "zips/alone")
    assert planned["entries"] == by_one["entries"]
    assert planned["skipped"] == by_one["skipped"]
    assert rig.working_objects() == []


# Missing sources


def test_missing_objects_are_all_named_in_the_error(rig: Rig) -> None:
    keys = ["a/one.pdf", *(f"gone-{number}.pdf" for number in range(30))]
    job = rig.run(rig.request({"keys": keys}))
    assert job.error is not None
    assert (job.status, job.error.code) == (Status.FAILED, "SOURCE_NOT_FOUND")
    assert job.error.objects == tuple(f"s3://src/gone-{number}.pdf" for number in range(30))


@pytest.mark.parametrize("compression", ["store", "deflate"])
def test_missing_objects_are_skipped_if_asked_for_and_never_silently(
    rig: Rig, compression: str
) -> None:
    keys = ["gone-1.pdf", "a/one.pdf", "gone-2.pdf", "b/one.pdf", "gone-3.pdf"]
    job = rig.run(rig.request({"keys": keys, "onMissing": "skip", "compression": compression}))
    missing = [f"gone-{number}.pdf" for number in (1, 2, 3)]
    assert (job.status, job.entries_done, job.entries_total) == (Status.READY, 2, 2)
    assert job.skipped == 3
    assert job.skipped_objects == tuple(f"s3://src/{key}" for key in missing)
    found = receipt(rig)
    assert [one["key"] for one in found["skipped"]] == missing
    assert [one["name"] for one in found["entries"]] == ["one.pdf", "one (2).pdf"]
    assert rig.bus.published[0].skipped == 3


@pytest.mark.parametrize("share", [WorkerQuota(), SMALL_SHARE], ids=["alone", "planned"])
def test_a_job_of_nothing_but_missing_objects_fails(
    rig: Rig, uploads: Callable[[], list[Any]], share: WorkerQuota
) -> None:
    rig.share = share
    request = {"keys": ["gone-1.pdf", "gone-2.pdf", "gone-3.pdf"], "onMissing": "skip"}
    job = rig.run(rig.request(request))
    assert job.error is not None
    assert (job.status, job.error.code) == (Status.FAILED, "SOURCE_NOT_FOUND")
    assert len(job.error.objects) == 3
    assert_nothing_is_left(rig, uploads)


def test_a_list_that_knows_the_size_of_an_object_does_not_know_that_it_exists(rig: Rig) -> None:
    rows = [{"key": key, "size": 3} for key in ("a/one.pdf", "gone.pdf", "b/one.pdf")]
    lines = "\n".join(json.dumps(row) for row in rows)
    rig.s3.put_object(Bucket="src", Key="list.jsonl", Body=lines.encode())
    rig.share = SMALL_SHARE
    job = rig.run(rig.request({"entriesFrom": "s3://src/list.jsonl", "onMissing": "skip"}))
    for segment in rig.queue.sent:
        job = rig.run(segment)
    assert (job.status, job.entries_done, job.skipped) == (Status.READY, 2, 1)


def test_a_record_names_as_many_objects_as_it_has_room_for() -> None:
    assert len(truncate_names([f"s3://b/{n}" for n in range(10_000)])) == MAX_RECORDED_NAMES
    assert sum(map(len, truncate_names(["x" * 1024] * 200))) <= 20_000


# Cancelled jobs


def cancel_in(rig: Rig, owner: Any, method: str, *, after: bool) -> Any:
    """Cancel the job while a worker is at its first call of ``method``."""
    real, calls = getattr(owner, method), iter(range(1000))

    def cancelling(*args: Any, **kwargs: Any) -> Any:
        if next(calls):
            return real(*args, **kwargs)
        answer = real(*args, **kwargs) if after else None
        rig.finalizer.cancel("job-1")
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
    rig: Rig, uploads: Callable[[], list[Any]], owner: str, method: str, after: bool
) -> None:
    message = rig.request({"keys": ["a/one.pdf", "b/one.pdf"]})
    with cancel_in(rig, getattr(rig, owner), method, after=after):
        job = rig.run(message)
    assert job.status is Status.CANCELLED
    assert_nothing_is_left(rig, uploads)
    assert [one.status for one in rig.bus.published] == [Status.CANCELLED]


def test_an_archive_that_was_made_too_late_is_removed(
    rig: Rig, uploads: Callable[[], list[Any]]
) -> None:
    message = rig.request({"keys": ["a/one.pdf"]})
    with cancel_in(rig, rig.store, "ready", after=False):
        assert rig.run(message).status is Status.CANCELLED
    assert_nothing_is_left(rig, uploads)


def test_a_worker_that_waits_for_bytes_stops_when_its_job_is_cancelled(
    rig: Rig, uploads: Callable[[], list[Any]]
) -> None:
    """No part is sent and no byte comes: the beat alone says that the job is over."""
    message = rig.request({"keys": ["a/one.pdf"]})

    class Silent:
        def __init__(self) -> None:
            rig.finalizer.cancel("job-1")

        def cancel(self) -> None:
            """Nothing was read."""

    with (
        patch.object(rig.reader, "read", lambda *args, **kwargs: Silent()),
        patch.object(rig, "options", rig.options.__class__(progress_seconds=0.01)),
    ):
        assert rig.run(message).status is Status.CANCELLED
    assert_nothing_is_left(rig, uploads)


def test_a_planned_job_that_is_cancelled_leaves_nothing(
    rig: Rig, uploads: Callable[[], list[Any]]
) -> None:
    rig.share = SMALL_SHARE
    rig.run(rig.request({"keys": ["a/one.pdf", "b/one.pdf", "a/one.pdf"]}))
    first, *_ = rig.queue.sent
    with cancel_in(rig, rig.segments, "entries", after=True):
        assert rig.run(first).status is Status.CANCELLED
    for late in rig.queue.sent:
        assert rig.run(late).status is Status.CANCELLED
    assert_nothing_is_left(rig, uploads)
    assert [one.status for one in rig.bus.published] == [Status.CANCELLED]


def test_a_job_that_nobody_has_started_can_be_cancelled(rig: Rig) -> None:
    message = rig.request({"keys": ["a/one.pdf"]})
    request = JobRequest(keys=("a/one.pdf",))
    rig.store.create(message, POLICY.resolve(request, "job-1"), 1)
    cancelled = rig.finalizer.cancel("job-1")
    assert cancelled is not None
    assert cancelled.status is Status.CANCELLED
    assert rig.run(message).status is Status.CANCELLED
    assert targets(rig) == []
    assert len(rig.bus.published) == 1


def test_cancelling_twice_is_cancelling_once_and_an_end_stays(rig: Rig) -> None:
    message = rig.request({"keys": ["a/one.pdf"]})
    rig.run(message)
    job = rig.finalizer.cancel("job-1")
    assert job is not None
    assert job.status is Status.READY
    assert targets(rig) == ["zips/job-1.receipt.json", "zips/job-1.zip"]
    assert rig.finalizer.cancel("nobody") is None


@pytest.mark.parametrize("mark", ["other", "job-1", "job-1/2026-01-01T00:00:00.000Z"])
def test_what_another_put_at_the_target_is_not_removed(rig: Rig, mark: str) -> None:
    """The other may be a job that had the same idempotency key, long ago."""
    rig.s3.put_object(
        Bucket="dst", Key="zips/job-1.zip", Body=b"theirs", Metadata={OWNER_TAG: mark}
    )
    job = rig.run(rig.request({"keys": ["a/one.pdf"]}))
    assert job.error is not None
    assert job.error.code == "TARGET_EXISTS"
    assert targets(rig) == ["zips/job-1.zip"]


# Jobs that were lost on the way


def later(rig: Rig, **how_much: int) -> Any:
    """The time, for the store of jobs."""
    return patch.object(rig.store, "_clock", lambda: utc_now() + timedelta(**how_much))


def lost(rig: Rig) -> Job:
    """A job whose message is gone before anybody took it."""
    message = rig.request({"keys": ["a/one.pdf"]})
    rig.store.create(message, POLICY.resolve(JobRequest(keys=("a/one.pdf",)), "job-1"), 1)
    job = rig.store.get("job-1")
    assert job is not None
    return job


def test_a_lost_message_is_sent_again(rig: Rig) -> None:
    job = lost(rig)
    assert rig.reconciler.reconcile().sent == 0
    with later(rig, seconds=GRACE_SECONDS):
        assert rig.reconciler.reconcile().sent == 1
        assert rig.reconciler.reconcile().sent == 0
    assert rig.queue.sent == [job.submission]
    assert rig.run(rig.queue.sent[0]).status is Status.READY
    with later(rig, days=10):
        assert rig.reconciler.reconcile() == type(rig.reconciler.reconcile())()


def test_a_job_that_never_comes_to_an_end_is_given_up_in_bounded_time(rig: Rig) -> None:
    lost(rig)
    hours = 0
    while not (rig.store.get("job-1") or pytest.fail("the record is gone")).is_final:
        hours += 1
        with later(rig, hours=hours):
            rig.reconciler.reconcile()
    job = rig.store.get("job-1")
    assert job is not None
    assert job.error is not None
    assert (job.status, job.error.code) == (Status.FAILED, "RETRIES_EXHAUSTED")
    assert len(rig.queue.sent) == MAX_CHECKS
    assert hours < 72
    assert [one.status for one in rig.bus.published] == [Status.FAILED]


def test_a_live_job_is_left_alone(rig: Rig) -> None:
    rig.store.claim(rig.request({"keys": ["a/one.pdf"]}), "worker", datetime.now(UTC) + LEASE)
    with later(rig, minutes=14):
        assert rig.reconciler.reconcile().sent == 0


def test_only_the_segments_that_are_missing_are_sent_again(
    rig: Rig, put: Callable[[str, bytes], str]
) -> None:
    rig.share = SMALL_SHARE
    keys = [f"big-{number}.pdf" for number in range(5)]
    for key in keys:
        put(key, bytes(6 * MIB))
    rig.run(rig.request({"keys": keys}))
    first, *others = rig.queue.sent
    rig.run(first)
    rig.queue.sent = []
    with later(rig, seconds=GRACE_SECONDS):
        rig.reconciler.reconcile()
    assert rig.queue.sent == others
    assert others
    ends = [rig.run(segment).status for segment in others]
    assert ends[-1] is Status.READY


def test_a_planned_job_that_nobody_finished_is_finished(rig: Rig) -> None:
    rig.share = SMALL_SHARE
    rig.run(rig.request({"keys": ["a/one.pdf", "b/one.pdf", "a/one.pdf"]}))
    *others, last = rig.queue.sent
    for segment in others:
        rig.run(segment)
    with (
        patch.object(rig.writer, "resume", side_effect=rig.writer.resume) as resumed,
        patch.object(rig.store, "send_heartbeat", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        rig.run(last)
    assert resumed.called
    rig.queue.sent = []
    with later(rig, seconds=GRACE_SECONDS):
        rig.reconciler.reconcile()
    (again,) = rig.queue.sent
    assert rig.run(again).status is Status.READY


def test_an_event_that_nobody_sent_is_sent(rig: Rig) -> None:
    rig.bus.failures = 1
    with pytest.raises(ServiceUnavailable):
        rig.run(rig.request({"keys": ["a/one.pdf"]}))
    with later(rig, seconds=GRACE_SECONDS):
        assert rig.reconciler.reconcile().finalized == 1
        assert rig.reconciler.reconcile().finalized == 0
    assert [one.status for one in rig.bus.published] == [Status.READY]


def test_trouble_with_one_job_does_not_keep_the_reconciler_from_the_next(rig: Rig) -> None:
    for number in range(2):
        message = submission(job_id=f"lost-{number}")
        request = JobRequest(keys=("a/one.pdf",))
        rig.store.create(message, POLICY.resolve(request, message.job_id), 1)
    sends = iter([ServiceUnavailable("no"), None])

    def send(submission: Any) -> None:
        if error := next(sends):
            raise error

    with later(rig, seconds=GRACE_SECONDS), patch.object(rig.queue, "send", send):
        swept = rig.reconciler.reconcile()
    assert (swept.left, swept.sent) == (1, 1)


# Leases


def test_a_worker_that_lost_its_lease_changes_nothing(
    rig: Rig, uploads: Callable[[], list[Any]]
) -> None:
    """It wakes up after its lease, while its successor is at work."""
    message = rig.request({"keys": ["a/one.pdf"]})
    real = ArchiveRunner.run
    claims = iter(range(10))

    def run(self: ArchiveRunner, loaded: LoadedRequest) -> Job:
        if next(claims) == 0:
            assert rig.run(message).status is Status.READY
        return real(self, loaded)

    with patch.object(ArchiveRunner, "run", run):
        assert rig.run(message, lease=timedelta(seconds=-1)).status is Status.READY
    assert targets(rig) == ["zips/job-1.receipt.json", "zips/job-1.zip"]
    assert uploads() == []
    assert len(rig.bus.published) == 1


def test_what_a_dead_worker_made_of_sources_that_changed_is_made_anew(
    rig: Rig, put: Callable[[str, bytes], str]
) -> None:
    message = rig.request({"keys": ["a/one.pdf"]})
    with (
        patch.object(rig.store, "ready", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        rig.run(message, lease=timedelta(seconds=-1))
    put("a/one.pdf", b"changed")
    with pytest.raises(ServiceUnavailable, match="have changed since"):
        rig.run(message)
    job = rig.run(message)
    assert (job.status, job.bytes_done) == (Status.READY, len(b"changed"))


def test_an_upload_that_was_created_twice_unheard_is_not_left(
    rig: Rig, uploads: Callable[[], list[Any]], faults: FaultInjector
) -> None:
    """The first answer is lost, and botocore asks again."""
    plan = "faults: [{operation: CreateMultipartUpload, nth: 1, when: after, reset: true}]"
    message = rig.request({"keys": ["a/one.pdf"]})
    faults.install(FaultPlan.parse(plan))
    assert rig.run(message).status is Status.READY
    assert len(faults.injected) == 1
    assert uploads() == []


def test_a_job_that_was_nearly_planned_and_is_then_made_alone_leaves_no_plan(rig: Rig) -> None:
    rig.share = SMALL_SHARE
    message = rig.request({"keys": ["a/one.pdf", "b/one.pdf", "a/one.pdf"]})
    with (
        patch.object(rig.store, "record_plan", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        rig.run(message, lease=timedelta(seconds=-1))
    assert rig.working_objects()
    rig.share = WorkerQuota()
    assert rig.run(message).status is Status.READY
    assert rig.working_objects() == []


def test_a_late_finisher_does_not_forget_what_was_skipped(rig: Rig) -> None:
    """While it finishes, another has finished, and cleaned up."""
    rig.share = SMALL_SHARE
    rig.run(rig.request({"keys": ["a/one.pdf", "gone.pdf", "b/one.pdf"], "onMissing": "skip"}))
    (segment,) = rig.queue.sent
    real, calls = rig.segments.skipped, iter(range(10))

    def skipped(job_id: str) -> Any:
        if next(calls) == 0:
            assert rig.run(segment).status is Status.READY
        return real(job_id)

    with patch.object(rig.segments, "skipped", skipped):
        assert rig.run(segment).status is Status.READY
    assert [one["key"] for one in receipt(rig)["skipped"]] == ["gone.pdf"]


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
    rig: Rig, bus: Bus, faults: FaultInjector, operation: str, code: str, status: int
) -> None:
    message = rig.request({"keys": ["gone.pdf"]})
    rig.s3.put_object(Bucket="manifests", Key="work/job-1/left", Body=b"")
    fault = {"operation": operation, "error": {"code": code, "status": status}}
    faults.install(FaultPlan.parse(json.dumps({"faults": [fault]})))
    assert rig.run(message).status is Status.FAILED
    assert faults.injected
    assert len(bus.published) == 1
    assert rig.finalizer.cancel("job-1") is not None


def test_a_target_that_no_answer_can_name_does_not_keep_a_job_from_its_end(
    rig: Rig, bus: Bus
) -> None:
    """XML has no control characters, so botocore cannot read what S3 says about such a key."""
    message = rig.request({"keys": ["gone.pdf"]})
    job = rig.store.claim(message, "worker", utc_now() + LEASE)
    place = Destination("src", "dst", "zips/\0x/job-1.zip")
    job = rig.store.record_destination(job, place, 1)
    job = rig.store.fail(job, JobError(code="X", message="y"))
    rig.finalizer.finalize(job)
    assert [one.job_id for one in bus.published] == ["job-1"]


def test_the_record_of_a_job_lives_on_from_its_end(rig: Rig) -> None:
    job = rig.run(rig.request({"keys": ["a/one.pdf"]}))
    assert job.finished_at is not None
    assert job.expires_at == int(job.finished_at.timestamp()) + 3600


def test_a_failed_jobs_error_names_its_objects() -> None:
    error = JobError(code="X", message="y", objects=("s3://a/b",))
    assert JobError.model_validate_json(error.model_dump_json(by_alias=True)) == error
    assert partial(JobError, code="X", message="y")().objects == ()
