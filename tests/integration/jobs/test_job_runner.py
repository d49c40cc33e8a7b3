"""A job from its message to its end, on moto, with faults where a worker can die."""

import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.integration.worker_setup import POLICY, Workers
from tests.support.builders import submission
from zipjobs.errors import JobBusy, ServiceUnavailable
from zipjobs.jobs.job import Job, Status, Trigger, UploadRef
from zipjobs.requests.storage import ObjectRef
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.target import Target


def names_in(s3: Any, key: str) -> list[str]:
    body = s3.get_object(Bucket="dst", Key=key)["Body"].read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return archive.namelist()


def test_a_job_ends_ready_with_its_archive_record_and_event(workers: Workers) -> None:
    job = workers.run(workers.request({"keys": ["a/one.pdf", "b/one.pdf"]}))
    assert job.status is Status.READY
    assert names_in(workers.s3, "zips/job-1.zip") == ["one.pdf", "one (2).pdf"]
    assert (job.entries_done, job.bytes_done, job.bytes_total) == (2, 6, 6)
    assert [published.job_id for published in workers.bus.published] == ["job-1"]
    stored = workers.store.get("job-1")
    assert stored is not None
    assert stored.event_sent


@pytest.mark.parametrize(
    ("request_", "totals"),
    [({"prefix": "a/"}, (1, 3)), ({"keys": ["a/one.pdf", "b/one.pdf"]}, (2, None))],
)
def test_while_it_runs_the_job_says_of_how_much_as_far_as_that_is_known(
    workers: Workers, monkeypatch: pytest.MonkeyPatch, request_: Any, totals: tuple[int, int | None]
) -> None:
    """A prefix is listed with sizes; keys are not."""
    shown: list[tuple[int | None, int | None]] = []
    note = workers.store.record_progress

    def note_and_look(job: Job, *progress: Any) -> None:
        note(job, *progress)
        running = workers.store.get(job.job_id)
        assert running is not None
        shown.append((running.entries_total, running.bytes_total))

    monkeypatch.setattr(workers.store, "record_progress", note_and_look)
    workers.options = replace(workers.options, progress_seconds=0.0)
    assert workers.run(workers.request(request_)).status is Status.READY
    assert set(shown) == {totals}


def test_the_same_message_again_makes_nothing_new(workers: Workers) -> None:
    message = workers.request({"keys": ["a/one.pdf"]})
    workers.run(message)
    modified = workers.s3.head_object(Bucket="dst", Key="zips/job-1.zip")["LastModified"]
    workers.run(message)
    assert workers.s3.head_object(Bucket="dst", Key="zips/job-1.zip")["LastModified"] == modified
    assert len(workers.bus.published) == 1


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        ({"keys": ["gone.pdf"]}, "SOURCE_NOT_FOUND", "s3://src/gone.pdf"),
        (b"not json", "INVALID_MANIFEST", "Invalid JSON"),
        ({"keys": []}, "INVALID_MANIFEST", "keys"),
        ({"keys": ["a"], "sourceBucket": "other"}, "NOT_ALLOWED", "other/a"),
        ({"keys": ["a"], "targetPrefix": "elsewhere/"}, "NOT_ALLOWED", "elsewhere/"),
    ],
)
def test_what_cannot_be_helped_fails_the_job_with_a_code_and_a_sentence(
    workers: Workers, uploads: Callable[[], list[Any]], content: Any, code: str, message: str
) -> None:
    job = workers.run(workers.request(content))
    assert job.status is Status.FAILED
    assert job.error is not None
    assert job.error.code == code
    assert message in job.error.message
    assert [published.status for published in workers.bus.published] == [Status.FAILED]
    assert uploads() == []


def test_a_manifest_that_is_gone_fails_the_job(workers: Workers) -> None:
    message = submission(
        trigger=Trigger.MANIFEST, request=ObjectRef(bucket="manifests", key="manifests/gone.json")
    )
    job = workers.run(message)
    assert job.error is not None
    assert job.error.code == "INVALID_MANIFEST"


def test_a_manifest_that_was_replaced_is_left_to_its_own_job(workers: Workers) -> None:
    workers.request({"keys": ["a/one.pdf"]})
    replaced = ObjectRef(bucket="manifests", key="requests/job-1.json", etag="0" * 32)
    job = workers.run(submission(request=replaced))
    assert job.error is not None
    assert "replaced" in job.error.message


def test_a_job_whose_event_was_refused_is_ready_and_its_event_follows(workers: Workers) -> None:
    workers.bus.failures = 1
    message = workers.request({"keys": ["a/one.pdf"]})
    with pytest.raises(ServiceUnavailable):
        workers.run(message)
    stored = workers.store.get("job-1")
    assert stored is not None
    assert (stored.status, stored.event_sent) == (Status.READY, False)
    assert workers.run(message).status is Status.READY
    assert len(workers.bus.published) == 1


def test_a_manifest_whose_body_broke_off_is_read_again(
    workers: Workers, faults: FaultInjector
) -> None:
    message = workers.request({"keys": ["a/one.pdf"]})
    plan = "faults: [{operation: GetObject, key: 'manifests/*', caller: client, nth: 1, cut: 12}]"
    faults.install(FaultPlan.parse(plan))
    with pytest.raises(ServiceUnavailable, match="Reading s3:.* failed"):
        workers.run(message)
    assert workers.run(message).status is Status.READY


class Failing(ObjectReader):
    """An S3 that cannot be reached."""

    def __init__(self) -> None:
        pass

    def read(self, *args: Any, **kwargs: Any) -> Any:
        raise ServiceUnavailable("S3 answered SlowDown")


def test_what_may_pass_leaves_the_job_open_for_the_next_delivery(
    workers: Workers, uploads: Callable[[], list[Any]]
) -> None:
    message = workers.request({"keys": ["a/one.pdf"]})
    lease = datetime.now(UTC) + timedelta(minutes=15)
    with pytest.raises(ServiceUnavailable):
        workers.runner(Failing()).run(message, lease)
    assert uploads() == []
    assert workers.bus.published == []
    assert workers.run(message).status is Status.READY


def test_a_second_delivery_of_a_live_job_stays_on_the_queue(workers: Workers) -> None:
    message = workers.request({"keys": ["a/one.pdf"]})
    workers.store.claim(message, "another worker", datetime.now(UTC) + timedelta(minutes=5))
    with pytest.raises(JobBusy):
        workers.run(message)
    assert workers.bus.published == []


def test_the_upload_of_a_worker_that_died_is_aborted_by_the_next(
    workers: Workers, uploads: Callable[[], list[Any]]
) -> None:
    message = workers.request({"keys": ["a/one.pdf"]})
    dead = workers.store.claim(message, "dead worker", datetime.now(UTC) - timedelta(seconds=1))
    dead = workers.store.record_destination(dead, POLICY.resolve(_keys("a/one.pdf"), "job-1"), 1)
    left = workers.s3.create_multipart_upload(Bucket="dst", Key="zips/job-1.zip")
    workers.store.record_uploads(dead, [_upload(left["UploadId"])])
    assert workers.run(message).status is Status.READY
    assert uploads() == []


def test_giving_up_fails_the_job_aborts_its_upload_and_says_so(
    workers: Workers, uploads: Callable[[], list[Any]]
) -> None:
    message = workers.request({"keys": ["a/one.pdf"]})
    dead = workers.store.claim(message, "dead worker", datetime.now(UTC) - timedelta(seconds=1))
    dead = workers.store.record_destination(dead, POLICY.resolve(_keys("a/one.pdf"), "job-1"), 1)
    left = workers.s3.create_multipart_upload(Bucket="dst", Key="zips/job-1.zip")
    workers.store.record_uploads(dead, [_upload(left["UploadId"])])
    job = workers.fail_exhausted(message)
    assert job.error is not None
    assert job.error.code == "RETRIES_EXHAUSTED"
    assert uploads() == []
    assert [published.status for published in workers.bus.published] == [Status.FAILED]


def test_giving_up_on_a_job_that_was_done_only_sends_its_event(workers: Workers) -> None:
    workers.bus.failures = 1
    message = workers.request({"keys": ["a/one.pdf"]})
    with pytest.raises(ServiceUnavailable):
        workers.run(message)
    job = workers.fail_exhausted(message)
    assert job.status is Status.READY
    assert [published.status for published in workers.bus.published] == [Status.READY]


def _upload(upload_id: str) -> UploadRef:
    return UploadRef(key="zips/job-1.zip", upload_id=upload_id)


def _keys(*keys: str) -> Any:
    from zipjobs.requests.schema import JobRequest

    return JobRequest(keys=keys)


def test_targets_print_as_addresses() -> None:
    assert str(Target("dst", "a/b.zip")) == "s3://dst/a/b.zip"
