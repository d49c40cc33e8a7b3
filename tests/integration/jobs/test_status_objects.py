"""Status objects: what the dropper of a manifest finds in S3, on moto."""

import json
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.integration.worker_setup import Workers
from tests.support.builders import CREATED, FINISHED, ready_job
from zipjobs.errors import ServiceUnavailable
from zipjobs.jobs.events import CompletionDetail
from zipjobs.jobs.job import Job, Status, Submission, Trigger
from zipjobs.lifecycle.status_objects import StatusObjects
from zipjobs.requests.storage import ObjectRef
from zipjobs.s3.target import OWNER_TAG

KEY = "zips/q3/invoices.status.json"
MANIFEST = "manifests/q3/invoices.json"


def drop(workers: Workers, content: Any, number: int = 1) -> Submission:
    """What becomes of a manifest's event, the first one of a key or a later one."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    etag = workers.s3.put_object(Bucket="manifests", Key=MANIFEST, Body=body)["ETag"]
    return Submission(
        job_id=f"job-{number}",
        trigger=Trigger.MANIFEST,
        request=ObjectRef(bucket="manifests", key=MANIFEST, etag=etag),
        sequencer=f"{number:04X}",
        submitted_at=CREATED,
    )


def status_object(workers: Workers) -> Any:
    return json.loads(workers.s3.get_object(Bucket="dst", Key=KEY)["Body"].read())


def said_of(workers: Workers) -> tuple[str, str]:
    found = status_object(workers)
    return found["jobId"], found["status"]


def keys(workers: Workers) -> list[str]:
    found = workers.s3.list_objects_v2(Bucket="dst").get("Contents", [])
    return [one["Key"] for one in found]


# What it says


def test_a_job_that_is_ready_says_where_its_archive_is(workers: Workers) -> None:
    job = workers.run(drop(workers, {"keys": ["a/one.pdf", "gone.pdf"], "onMissing": "skip"}))
    found = status_object(workers)
    assert found == json.loads(CompletionDetail.of(job).model_dump_json(by_alias=True))
    assert (found["status"], found["skipped"]) == (Status.READY, 1)
    assert found["manifest"]["key"] == MANIFEST
    (archive,) = found["archives"]
    workers.s3.head_object(Bucket=found["targetBucket"], Key=archive["key"])
    workers.s3.head_object(Bucket=found["targetBucket"], Key=archive["receiptKey"])


def test_a_manifest_that_cannot_be_read_has_one_in_the_stacks_own_place(workers: Workers) -> None:
    workers.run(drop(workers, b'{"targetPrefix": "zips/mine/", "kyes": []}'))
    found = status_object(workers)
    assert (found["status"], found["error"]["code"]) == (Status.FAILED, "INVALID_MANIFEST")
    assert keys(workers) == [KEY]


def test_an_archive_that_goes_elsewhere_has_it_in_the_same_place(workers: Workers) -> None:
    workers.run(drop(workers, {"keys": ["a/one.pdf"], "targetPrefix": "zips/mine/"}))
    assert status_object(workers)["archives"][0]["key"] == "zips/mine/job-1.zip"


def test_a_job_that_the_queue_gave_up_on_has_one_and_one_that_is_cancelled(
    workers: Workers,
) -> None:
    workers.fail_exhausted(drop(workers, {"keys": ["a/one.pdf"]}))
    assert status_object(workers)["error"]["code"] == "RETRIES_EXHAUSTED"
    with (
        patch.object(workers.store, "ready", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        workers.run(drop(workers, {"keys": ["a/one.pdf"]}, 2))
    workers.finalizer.cancel("job-2")
    assert said_of(workers) == ("job-2", "CANCELLED")
    assert keys(workers) == [KEY]


def test_a_job_by_api_has_none(workers: Workers) -> None:
    workers.run(workers.request({"keys": ["a/one.pdf"]}))
    assert keys(workers) == ["zips/job-1.receipt.json", "zips/job-1.zip"]


@pytest.mark.parametrize(
    ("manifest", "key"),
    [
        ("manifests/q3/invoices.json", "zips/q3/invoices.status.json"),
        ("manifests/a.json.json", "zips/a.json.status.json"),
        ("manifests/.json", "zips/.status.json"),
        ("elsewhere/a.json", "zips/elsewhere/a.status.json"),
    ],
)
def test_its_key_follows_from_the_manifests(workers: Workers, manifest: str, key: str) -> None:
    assert StatusObjects(workers.s3, "dst", "zips/", "manifests/").key_of(manifest) == key


# Which drop it tells of


def test_the_later_drop_has_the_say_whichever_job_ends_first(workers: Workers) -> None:
    request = {"keys": ["a/one.pdf"]}
    first, second = drop(workers, request), drop(workers, request, 2)
    workers.run(second)
    assert said_of(workers) == ("job-2", "READY")
    workers.run(first)
    assert said_of(workers) == ("job-2", "READY")
    workers.run(drop(workers, request, 3))
    assert said_of(workers) == ("job-3", "READY")


def dropped(number: int, sequencer: str | None, **changes: Any) -> Job:
    return ready_job(
        job_id=f"job-{number}",
        trigger=Trigger.MANIFEST,
        request=ObjectRef(bucket="manifests", key=MANIFEST),
        sequencer=sequencer,
    ).model_copy(update=changes)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (dropped(1, "0F"), dropped(2, "1")),  # as S3 compares them: padded to the right
        (dropped(1, "9"), dropped(2, "9A")),
        (dropped(1, "2", created_at=FINISHED), dropped(2, "3")),  # clocks may differ
        (dropped(1, None), dropped(2, None, created_at=FINISHED)),
        (
            dropped(1, "2", request=ObjectRef(bucket="before", key=MANIFEST)),
            dropped(2, "1", created_at=FINISHED),
        ),
    ],
)
def test_which_drop_is_the_later_one(workers: Workers, first: Job, second: Job) -> None:
    statuses = StatusObjects(workers.s3, "dst", "zips/", "manifests/")
    for job in (first, second, first):
        statuses.put(job)
    assert said_of(workers) == ("job-2", "READY")


def test_of_two_that_write_at_once_the_later_drop_has_the_say(workers: Workers) -> None:
    """While the first one is about to write, the second one does."""
    statuses = StatusObjects(workers.s3, "dst", "zips/", "manifests/")
    find, calls = statuses._find, iter(range(10))

    def look(*arguments: Any) -> Any:
        found = find(*arguments)
        if next(calls) == 0:
            statuses.put(dropped(2, "2"))
        return found

    with patch.object(statuses, "_find", look):
        statuses.put(dropped(1, "1"))
    assert said_of(workers) == ("job-2", "READY")


# What may go wrong


def test_it_is_there_before_the_event_and_written_once(workers: Workers) -> None:
    message = drop(workers, {"keys": ["a/one.pdf"]})
    workers.bus.failures = 1
    with pytest.raises(ServiceUnavailable):
        workers.run(message)
    assert said_of(workers) == ("job-1", "READY")
    with patch.object(workers.s3, "put_object", side_effect=AssertionError):
        workers.run(message)
    assert len(workers.bus.published) == 1


def test_an_answer_that_is_lost_makes_no_difference(
    workers: Workers, faults: FaultInjector
) -> None:
    plan = f"faults: [{{operation: PutObject, key: dst/{KEY}, nth: 1, when: after, reset: true}}]"
    faults.install(FaultPlan.parse(plan))
    workers.run(drop(workers, {"keys": ["a/one.pdf"]}))
    assert len(faults.injected) == 1
    assert said_of(workers) == ("job-1", "READY")


def test_while_s3_is_down_there_is_no_event_and_afterwards_both_follow(
    workers: Workers, faults: FaultInjector
) -> None:
    message = drop(workers, {"keys": ["a/one.pdf"]})
    error = "{code: SlowDown, status: 503}"
    plan = f"faults: [{{operation: PutObject, key: dst/{KEY}, error: {error}}}]"
    faults.install(FaultPlan.parse(plan))
    with pytest.raises(ServiceUnavailable, match=KEY):
        workers.run(message)
    assert workers.bus.published == []
    faults.clear()
    workers.run(message)
    assert said_of(workers) == ("job-1", "READY")
    assert len(workers.bus.published) == 1


@pytest.mark.parametrize(
    ("code", "status"),
    [("AccessDenied", 403), ("KeyTooLongError", 400), ("KMS.DisabledException", 400)],
)
def test_a_job_whose_status_object_is_refused_has_its_end_and_the_log_says_so(
    workers: Workers,
    faults: FaultInjector,
    caplog: pytest.LogCaptureFixture,
    code: str,
    status: int,
) -> None:
    error = f"{{code: {code}, status: {status}}}"
    plan = f"faults: [{{operation: PutObject, key: dst/{KEY}, error: {error}}}]"
    faults.install(FaultPlan.parse(plan))
    assert workers.run(drop(workers, {"keys": ["a/one.pdf"]})).status is Status.READY
    assert f"s3://dst/{KEY} could not be written" in caplog.text
    assert len(workers.bus.published) == 1


def test_one_that_may_not_be_read_is_not_replaced(workers: Workers) -> None:
    workers.run(drop(workers, {"keys": ["a/one.pdf"]}))
    forbidden = ClientError({"Error": {"Code": "403"}}, "HeadObject")
    with patch.object(workers.s3, "head_object", side_effect=forbidden):
        assert workers.run(drop(workers, {"keys": ["a/one.pdf"]}, 2)).status is Status.READY
    assert said_of(workers) == ("job-1", "READY")
    assert len(workers.bus.published) == 2


@pytest.mark.parametrize("metadata", [{}, {OWNER_TAG: "job-0"}])
def test_another_object_in_its_place_stays(
    workers: Workers, caplog: pytest.LogCaptureFixture, metadata: dict[str, str]
) -> None:
    workers.s3.put_object(Bucket="dst", Key=KEY, Body=b"theirs", Metadata=metadata)
    workers.run(drop(workers, {"keys": ["a/one.pdf"]}))
    assert workers.s3.get_object(Bucket="dst", Key=KEY)["Body"].read() == b"theirs"
    assert f"s3://dst/{KEY} is not a status object and is kept" in caplog.text
