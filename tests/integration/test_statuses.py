"""Status objects: what the dropper of a manifest finds in S3, on moto."""

import json
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.integration.rig import Rig
from tests.support.builders import CREATED, FINISHED, ready_job
from zipjobs.errors import ServiceUnavailable
from zipjobs.jobs.events import CompletionDetail
from zipjobs.jobs.job import Job, Status, Submission, Trigger
from zipjobs.lifecycle.status_objects import StatusObjects
from zipjobs.requests.storage import ObjectRef
from zipjobs.s3.target import OWNER_TAG

KEY = "zips/q3/invoices.status.json"
MANIFEST = "manifests/q3/invoices.json"


def drop(rig: Rig, content: Any, number: int = 1) -> Submission:
    """What becomes of a manifest's event, the first one of a key or a later one."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    etag = rig.s3.put_object(Bucket="manifests", Key=MANIFEST, Body=body)["ETag"]
    return Submission(
        job_id=f"job-{number}",
        trigger=Trigger.MANIFEST,
        request=ObjectRef(bucket="manifests", key=MANIFEST, etag=etag),
        sequencer=f"{number:04X}",
        submitted_at=CREATED,
    )


def status_object(rig: Rig) -> Any:
    return json.loads(rig.s3.get_object(Bucket="dst", Key=KEY)["Body"].read())


def said_of(rig: Rig) -> tuple[str, str]:
    found = status_object(rig)
    return found["jobId"], found["status"]


def keys(rig: Rig) -> list[str]:
    found = rig.s3.list_objects_v2(Bucket="dst").get("Contents", [])
    return [one["Key"] for one in found]


# What it says


def test_a_job_that_is_ready_says_where_its_archive_is(rig: Rig) -> None:
    job = rig.run(drop(rig, {"keys": ["a/one.pdf", "gone.pdf"], "onMissing": "skip"}))
    found = status_object(rig)
    assert found == json.loads(CompletionDetail.of(job).model_dump_json(by_alias=True))
    assert (found["status"], found["skipped"]) == (Status.READY, 1)
    assert found["manifest"]["key"] == MANIFEST
    (archive,) = found["archives"]
    rig.s3.head_object(Bucket=found["targetBucket"], Key=archive["key"])
    rig.s3.head_object(Bucket=found["targetBucket"], Key=archive["receiptKey"])


def test_a_manifest_that_cannot_be_read_has_one_in_the_stacks_own_place(rig: Rig) -> None:
    rig.run(drop(rig, b'{"targetPrefix": "zips/mine/", "kyes": []}'))
    found = status_object(rig)
    assert (found["status"], found["error"]["code"]) == (Status.FAILED, "INVALID_MANIFEST")
    assert keys(rig) == [KEY]


def test_an_archive_that_goes_elsewhere_has_it_in_the_same_place(rig: Rig) -> None:
    rig.run(drop(rig, {"keys": ["a/one.pdf"], "targetPrefix": "zips/mine/"}))
    assert status_object(rig)["archives"][0]["key"] == "zips/mine/job-1.zip"


def test_a_job_that_the_queue_gave_up_on_has_one_and_one_that_is_cancelled(rig: Rig) -> None:
    rig.fail_exhausted(drop(rig, {"keys": ["a/one.pdf"]}))
    assert status_object(rig)["error"]["code"] == "RETRIES_EXHAUSTED"
    with (
        patch.object(rig.store, "ready", side_effect=KeyboardInterrupt),
        pytest.raises(KeyboardInterrupt),
    ):
        rig.run(drop(rig, {"keys": ["a/one.pdf"]}, 2))
    rig.finalizer.cancel("job-2")
    assert said_of(rig) == ("job-2", "CANCELLED")
    assert keys(rig) == [KEY]


def test_a_job_by_api_has_none(rig: Rig) -> None:
    rig.run(rig.request({"keys": ["a/one.pdf"]}))
    assert keys(rig) == ["zips/job-1.receipt.json", "zips/job-1.zip"]


@pytest.mark.parametrize(
    ("manifest", "key"),
    [
        ("manifests/q3/invoices.json", "zips/q3/invoices.status.json"),
        ("manifests/a.json.json", "zips/a.json.status.json"),
        ("manifests/.json", "zips/.status.json"),
        ("elsewhere/a.json", "zips/elsewhere/a.status.json"),
    ],
)
def test_its_key_follows_from_the_manifests(rig: Rig, manifest: str, key: str) -> None:
    assert StatusObjects(rig.s3, "dst", "zips/", "manifests/").key_of(manifest) == key


# Which drop it tells of


def test_the_later_drop_has_the_say_whichever_job_ends_first(rig: Rig) -> None:
    request = {"keys": ["a/one.pdf"]}
    first, second = drop(rig, request), drop(rig, request, 2)
    rig.run(second)
    assert said_of(rig) == ("job-2", "READY")
    rig.run(first)
    assert said_of(rig) == ("job-2", "READY")
    rig.run(drop(rig, request, 3))
    assert said_of(rig) == ("job-3", "READY")


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
def test_which_drop_is_the_later_one(rig: Rig, first: Job, second: Job) -> None:
    statuses = StatusObjects(rig.s3, "dst", "zips/", "manifests/")
    for job in (first, second, first):
        statuses.put(job)
    assert said_of(rig) == ("job-2", "READY")


def test_of_two_that_write_at_once_the_later_drop_has_the_say(rig: Rig) -> None:
    """While the first one is about to write, the second one does."""
    statuses = StatusObjects(rig.s3, "dst", "zips/", "manifests/")
    find, calls = statuses._find, iter(range(10))

    def look(*arguments: Any) -> Any:
        found = find(*arguments)
        if next(calls) == 0:
            statuses.put(dropped(2, "2"))
        return found

    with patch.object(statuses, "_find", look):
        statuses.put(dropped(1, "1"))
    assert said_of(rig) == ("job-2", "READY")


# What may go wrong


def test_it_is_there_before_the_event_and_written_once(rig: Rig) -> None:
    message = drop(rig, {"keys": ["a/one.pdf"]})
    rig.bus.failures = 1
    with pytest.raises(ServiceUnavailable):
        rig.run(message)
    assert said_of(rig) == ("job-1", "READY")
    with patch.object(rig.s3, "put_object", side_effect=AssertionError):
        rig.run(message)
    assert len(rig.bus.published) == 1


def test_an_answer_that_is_lost_makes_no_difference(rig: Rig, faults: FaultInjector) -> None:
    plan = f"faults: [{{operation: PutObject, key: dst/{KEY}, nth: 1, when: after, reset: true}}]"
    faults.install(FaultPlan.parse(plan))
    rig.run(drop(rig, {"keys": ["a/one.pdf"]}))
    assert len(faults.injected) == 1
    assert said_of(rig) == ("job-1", "READY")


def test_while_s3_is_down_there_is_no_event_and_afterwards_both_follow(
    rig: Rig, faults: FaultInjector
) -> None:
    message = drop(rig, {"keys": ["a/one.pdf"]})
    error = "{code: SlowDown, status: 503}"
    plan = f"faults: [{{operation: PutObject, key: dst/{KEY}, error: {error}}}]"
    faults.install(FaultPlan.parse(plan))
    with pytest.raises(ServiceUnavailable, match=KEY):
        rig.run(message)
    assert rig.bus.published == []
    faults.clear()
    rig.run(message)
    assert said_of(rig) == ("job-1", "READY")
    assert len(rig.bus.published) == 1


@pytest.mark.parametrize(
    ("code", "status"),
    [("AccessDenied", 403), ("KeyTooLongError", 400), ("KMS.DisabledException", 400)],
)
def test_a_job_whose_status_object_is_refused_has_its_end_and_the_log_says_so(
    rig: Rig, faults: FaultInjector, caplog: pytest.LogCaptureFixture, code: str, status: int
) -> None:
    error = f"{{code: {code}, status: {status}}}"
    plan = f"faults: [{{operation: PutObject, key: dst/{KEY}, error: {error}}}]"
    faults.install(FaultPlan.parse(plan))
    assert rig.run(drop(rig, {"keys": ["a/one.pdf"]})).status is Status.READY
    assert f"s3://dst/{KEY} could not be written" in caplog.text
    assert len(rig.bus.published) == 1


def test_one_that_may_not_be_read_is_not_replaced(rig: Rig) -> None:
    rig.run(drop(rig, {"keys": ["a/one.pdf"]}))
    forbidden = ClientError({"Error": {"Code": "403"}}, "HeadObject")
    with patch.object(rig.s3, "head_object", side_effect=forbidden):
        assert rig.run(drop(rig, {"keys": ["a/one.pdf"]}, 2)).status is Status.READY
    assert said_of(rig) == ("job-1", "READY")
    assert len(rig.bus.published) == 2


@pytest.mark.parametrize("metadata", [{}, {OWNER_TAG: "job-0"}])
def test_another_object_in_its_place_stays(
    rig: Rig, caplog: pytest.LogCaptureFixture, metadata: dict[str, str]
) -> None:
    rig.s3.put_object(Bucket="dst", Key=KEY, Body=b"theirs", Metadata=metadata)
    rig.run(drop(rig, {"keys": ["a/one.pdf"]}))
    assert rig.s3.get_object(Bucket="dst", Key=KEY)["Body"].read() == b"theirs"
    assert f"s3://dst/{KEY} is not a status object and is kept" in caplog.text
