"""Jobs with objects that are missing, archived, forbidden or encrypted: fail or skip."""

from collections import Counter
from typing import Any

import pytest

from local.faults.injector import FaultInjector
from local.faults.plan import FaultPlan
from tests.integration.worker_setup import Workers, error_of
from zipjobs.jobs.events import CompletionDetail
from zipjobs.jobs.job import Status
from zipjobs.worker.segment_plan import WorkerQuota

GOOD = [f"docs/good-{number}.pdf" for number in range(8)]
MISSING = ["docs/gone-1.pdf", "docs/gone-2.pdf", "docs/gone-3.pdf"]
ARCHIVED = ["docs/cold-1.pdf", "docs/cold-2.pdf"]
FORBIDDEN = ["docs/secret.pdf"]
ENCRYPTED = ["docs/sse-c.pdf"]
UNREADABLE = [*ARCHIVED, *FORBIDDEN, *ENCRYPTED]
KEYS = [*MISSING[:1], *GOOD[:4], *UNREADABLE[:3], *GOOD[4:], *MISSING[1:], *UNREADABLE[3:]]
SKIP_ALL = {"onMissing": "skip", "onUnreadable": "skip"}

FAULTS = """
faults:
  - {operation: GetObject, key: "*secret.pdf", error: {code: AccessDenied, status: 403}}
  - {operation: GetObject, key: "*docs/*", latency: 0.000001}
"""
"""One object is forbidden. The second rule counts the requests for the others."""

SPLIT = WorkerQuota(entries=2)
QUOTAS = pytest.mark.parametrize("quota", [WorkerQuota(), SPLIT], ids=["unsplit", "split"])


def urls(*keys: str) -> tuple[str, ...]:
    return tuple(f"s3://src/{key}" for key in keys)


@pytest.fixture(autouse=True)
def objects(workers: Workers, faults: FaultInjector) -> None:
    for key in (*GOOD, *FORBIDDEN):
        workers.s3.put_object(Bucket="src", Key=key, Body=key.encode())
    for key in ARCHIVED:
        workers.s3.put_object(Bucket="src", Key=key, Body=b"cold", StorageClass="GLACIER")
    for key in ENCRYPTED:
        workers.s3.put_object(
            Bucket="src",
            Key=key,
            Body=b"locked",
            SSECustomerAlgorithm="AES256",
            SSECustomerKey="k" * 32,
        )
    faults.install(FaultPlan.parse(FAULTS))


def gets(faults: FaultInjector) -> Counter[str]:
    """Return the number of GET requests for each key."""
    return Counter(key for fault in faults.injected for key in KEYS if key in fault.target)


def with_reason(key: str) -> dict[str, str]:
    for reason, keys in (
        ("SOURCE_NOT_FOUND", MISSING),
        ("SOURCE_ARCHIVED", ARCHIVED),
        ("SOURCE_FORBIDDEN", FORBIDDEN),
        ("SOURCE_ENCRYPTED", ENCRYPTED),
    ):
        if key in keys:
            return {"object": f"s3://src/{key}", "reason": reason}
    raise AssertionError(key)


@QUOTAS
@pytest.mark.parametrize("compression", ["store", "deflate"])
def test_the_error_lists_all_objects_by_code(
    workers: Workers, faults: FaultInjector, quota: WorkerQuota, compression: str
) -> None:
    workers.quota = quota
    error = error_of(workers.run(workers.submit({"keys": KEYS, "compression": compression})))
    assert error.code == "SOURCE_NOT_FOUND"
    assert error.objects_by_code == {
        "SOURCE_NOT_FOUND": urls(*MISSING),
        "SOURCE_ARCHIVED": urls(*ARCHIVED),
        "SOURCE_FORBIDDEN": urls(*FORBIDDEN),
        "SOURCE_ENCRYPTED": urls(*ENCRYPTED),
    }
    assert error.objects == urls(*MISSING, *UNREADABLE)
    counts = "3 missing, 2 archived, 1 forbidden, 1 encrypted"
    assert f"7 objects cannot be read: {counts}." in error.message
    assert max(gets(faults).values()) == 1
    assert workers.output() == []
    assert workers.bus.published[0].error == error


@QUOTAS
@pytest.mark.parametrize("compression", ["store", "deflate"])
def test_skipped_objects_have_their_reason_everywhere(
    workers: Workers, faults: FaultInjector, quota: WorkerQuota, compression: str
) -> None:
    workers.quota = quota
    job = workers.run_all({"keys": KEYS, "compression": compression, **SKIP_ALL})
    skipped = [key for key in KEYS if key not in GOOD]
    assert (job.status, job.entries_done, job.skipped) == (Status.READY, len(GOOD), 7)
    assert workers.member_names() == [key.rpartition("/")[2] for key in GOOD]
    receipt = workers.receipt()
    assert [entry["key"] for entry in receipt["entries"]] == GOOD
    assert [
        {"object": f"s3://{one['bucket']}/{one['key']}", "reason": one["reason"]}
        for one in receipt["skipped"]
    ] == [with_reason(key) for key in skipped]
    event = CompletionDetail.of(workers.bus.published[0])
    assert [one.model_dump() for one in event.skipped_objects] == [
        with_reason(key) for key in skipped
    ]
    assert {gets(faults)[key] for key in skipped} == {1}


def test_an_object_is_requested_once_while_others_are_skipped(
    workers: Workers, faults: FaultInjector
) -> None:
    workers.run_all({"keys": KEYS, **SKIP_ALL})
    assert gets(faults) == dict.fromkeys(KEYS, 1)


@QUOTAS
@pytest.mark.parametrize(
    ("option", "code", "unskipped"),
    [
        ("onMissing", "SOURCE_ARCHIVED", UNREADABLE),
        ("onUnreadable", "SOURCE_NOT_FOUND", MISSING),
    ],
)
def test_an_option_does_not_skip_other_kinds(
    workers: Workers, quota: WorkerQuota, option: str, code: str, unskipped: list[str]
) -> None:
    workers.quota = quota
    error = error_of(workers.run(workers.submit({"keys": KEYS, option: "skip"})))
    assert (error.code, error.objects) == (code, urls(*unskipped))
    assert workers.output() == []


@QUOTAS
def test_a_job_whose_objects_are_all_skipped_fails(workers: Workers, quota: WorkerQuota) -> None:
    workers.quota = quota
    keys = [*UNREADABLE, *MISSING]
    error = error_of(workers.run(workers.submit({"keys": keys, **SKIP_ALL})))
    assert error.code == "SOURCE_NOT_FOUND"
    assert error.objects == urls(*MISSING, *UNREADABLE)
    assert "nothing to zip: 3 missing, 2 archived, 1 forbidden, 1 encrypted" in error.message
    assert workers.output() == []


@QUOTAS
@pytest.mark.parametrize("keys", [ARCHIVED, FORBIDDEN * 3, ENCRYPTED * 3])
def test_several_objects_of_one_kind_are_all_listed(
    workers: Workers, quota: WorkerQuota, keys: list[str]
) -> None:
    workers.quota = quota
    error = error_of(workers.run(workers.submit({"keys": [*GOOD, *keys]})))
    assert error.objects == urls(*keys)
    assert error.objects_by_code == {}


@QUOTAS
def test_delete_markers_and_invalid_versions_are_missing(
    workers: Workers, faults: FaultInjector, quota: WorkerQuota
) -> None:
    workers.quota = quota
    workers.s3.put_bucket_versioning(Bucket="src", VersioningConfiguration={"Status": "Enabled"})
    marker = workers.s3.delete_object(Bucket="src", Key=GOOD[0])["VersionId"]
    missing = [{"key": GOOD[0], "versionId": marker}, {"key": GOOD[1], "versionId": "invalid"}]
    entries = [{"key": GOOD[2]}, *missing, {"key": GOOD[3]}, {"key": GOOD[4]}]
    error = error_of(workers.run(workers.submit({"entries": entries})))
    assert (error.code, error.objects) == ("SOURCE_NOT_FOUND", urls(*GOOD[:2]))
    assert gets(faults) == dict.fromkeys(GOOD[:5], 1)
    workers.queue.sent.clear()
    job = workers.run(workers.submit({"entries": entries, "onMissing": "skip"}, "job-2"))
    for segment in workers.queue.sent:
        job = workers.run(segment)
    assert (job.status, job.entries_done, job.skipped) == (Status.READY, 3, 2)


@QUOTAS
def test_unreadable_objects_below_a_prefix_are_skipped(
    workers: Workers, quota: WorkerQuota
) -> None:
    """A listing has the sizes of forbidden objects, so a planner must ask for them."""
    workers.quota = quota
    job = workers.run_all({"prefix": "docs/", "onUnreadable": "skip"})
    assert (job.status, job.entries_done) == (Status.READY, len(GOOD))
    assert [one.model_dump() for one in job.skips] == [
        with_reason(key) for key in sorted(UNREADABLE)
    ]


def test_an_object_that_is_forbidden_after_planning_fails_the_job(
    workers: Workers, faults: FaultInjector
) -> None:
    """A segment's layout is fixed, so it cannot skip objects."""
    workers.quota = SPLIT
    workers.run(workers.submit({"keys": GOOD, **SKIP_ALL}))
    rule = 'key: "*good-[01].pdf", error: {code: AccessDenied, status: 403}'
    faults.install(FaultPlan.parse(f"faults: [{{operation: GetObject, {rule}}}]"))
    error = error_of(workers.run(workers.queue.sent[0]))
    assert error.code == "SOURCE_FORBIDDEN"
    assert error.objects == urls(*GOOD[:2])
    assert workers.output() == []


def test_a_job_without_unreadable_objects_skips_nothing(workers: Workers) -> None:
    job = workers.run_all({"keys": GOOD, **SKIP_ALL})
    assert (job.status, job.skipped, job.skips) == (Status.READY, 0, ())
    skipped: list[Any] = workers.receipt()["skipped"]
    assert skipped == []
