"""Options of the archive's object, and of the requests for sources."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import patch

import pytest
from botocore.exceptions import ClientError

from tests.integration.conftest import aws_client
from tests.integration.requests.recording_proxy import Recording, recording
from tests.integration.worker_setup import POLICY, Bus, Workers, error_of
from tests.support.s3_clients import http_client
from zipjobs.jobs.download_links import DownloadLinks
from zipjobs.jobs.job import Status
from zipjobs.jobs.store import JobStore
from zipjobs.jobs.view import JobView
from zipjobs.requests.allow_list import AllowList, Location
from zipjobs.requests.schema import JobRequest
from zipjobs.s3.object_reader import ObjectReader
from zipjobs.s3.part_upload import PartSender
from zipjobs.worker.segment_plan import WorkerQuota

MIB = 1024**2

OPTIONS = {
    "storageClass": "GLACIER_IR",
    "tags": {"team": "a+b = c", "größe": "ü"},
    "metadata": {"order": "4711"},
    "expiresInDays": 1,
}


def tags_of(workers: Workers, key: str) -> dict[str, str]:
    found = workers.s3.get_object_tagging(Bucket="dst", Key=key)["TagSet"]
    return {tag["Key"]: tag["Value"] for tag in found}


def test_all_archives_of_a_split_job_have_the_options(workers: Workers) -> None:
    for number in range(2):
        workers.s3.put_object(Bucket="src", Key=f"t/{number}", Body=bytes(48 * MIB))
    workers.quota = WorkerQuota(read_bytes=8 * MIB, copied_bytes=40 * MIB)
    job = workers.run_all({"prefix": "t/", "maxArchiveBytes": 64 * MIB, **OPTIONS})
    assert [archive.key for archive in job.archives] == ["zips/job-1-001.zip", "zips/job-1-002.zip"]
    for archive in job.archives:
        stored = workers.s3.head_object(Bucket="dst", Key=archive.key)
        assert stored["StorageClass"] == "GLACIER_IR"
        assert stored["Metadata"]["order"] == "4711"
        for key in (archive.key, archive.receipt_key):
            assert tags_of(workers, key) == {
                "team": "a+b = c",
                "größe": "ü",
                "zipjobs-expires-in-days": "1",
            }
        receipt = workers.s3.head_object(Bucket="dst", Key=archive.receipt_key)
        assert receipt.get("StorageClass", "STANDARD") == "STANDARD"
        assert workers.receipt(archive.key.removesuffix(".zip"))["metadata"] == {"order": "4711"}


def test_a_refusal_of_s3_is_an_error_of_the_target(workers: Workers) -> None:
    answer: Any = {
        "Error": {"Code": "InvalidStorageClass", "Message": "The storage class is not valid."},
        "ResponseMetadata": {"HTTPStatusCode": 400},
    }
    refusal = ClientError(answer, "CreateMultipartUpload")
    with patch.object(workers.s3, "create_multipart_upload", side_effect=refusal):
        error = error_of(workers.run_all({"keys": ["a/one.pdf"], "storageClass": "ONEZONE_IA"}))
    assert error.code == "TARGET_FORBIDDEN"
    assert "InvalidStorageClass: The storage class is not valid" in error.message


@pytest.fixture
def wire(server: str) -> Iterator[Recording]:
    with recording(server) as record:
        yield record


@pytest.fixture
def recorded(wire: Recording, workers: Workers, dynamodb: Any, store: JobStore, bus: Bus) -> Any:
    """Workers whose requests to S3 are recorded."""
    s3 = aws_client("s3", wire.url)
    client = http_client(wire.url, 4)
    yield Workers(s3, dynamodb, store, bus, ObjectReader(client), PartSender(client))
    client.close()


@pytest.mark.parametrize("payer", ["requester", None])
def test_the_requester_pays_for_all_requests_to_sources(
    recorded: Workers, wire: Recording, payer: str | None
) -> None:
    bodies = {"p/a": b"a", "p/b/": b"", "p/large": bytes(20 * MIB)}
    for key, body in bodies.items():
        recorded.s3.put_object(Bucket="src", Key=key, Body=body)
    recorded.s3.put_object(Bucket="src", Key="list", Body=b"src,p/a\nsrc,p/b/\nsrc,p/large\n")
    wire.clear()
    for number, request in enumerate(({"prefix": "p/"}, {"entriesFrom": "s3://src/list"})):
        message = recorded.submit({**request, "requestPayer": payer}, f"job-{number}")
        assert recorded.run(message).status is Status.READY
    to_sources = [
        one
        for one in wire.requests()
        if (one.method == "GET" and one.target.startswith("/src"))
        or "x-amz-copy-source" in one.headers
    ]
    assert {one.headers.get("x-amz-request-payer") for one in to_sources} == {payer}
    kinds = {(one.method, one.target.partition("?")[0]) for one in to_sources}
    assert {("GET", "/src"), ("GET", "/src/list"), ("PUT", "/dst/zips/job-1.zip")} <= kinds


@pytest.mark.parametrize(
    ("requested", "retention", "prefix", "days"),
    [
        (None, 0, None, None),
        (7, 0, None, 7),
        (None, 30, None, 30),
        (7, 30, None, 7),
        (90, 30, None, 30),
        (90, 30, "other/", 90),
        (None, 30, "other/", None),
    ],
)
def test_the_shorter_time_decides_when_an_archive_expires(
    requested: int | None, retention: int, prefix: str | None, days: int | None
) -> None:
    policy = AllowList("src", "dst", "zips/", POLICY.allowed_sources, (Location("dst"),), retention)
    request = JobRequest(keys=("a",), expires_in_days=requested, target_prefix=prefix)  # type: ignore[arg-type]
    assert policy.resolve(request, "job-1").archive_days == days


def test_there_is_no_link_to_an_archive_that_has_expired(workers: Workers) -> None:
    job = workers.run_all({"keys": ["a/one.pdf"], "expiresInDays": 1})
    assert job.started_at is not None
    expires_at = job.archive_expires_at
    assert expires_at is not None
    midnight = datetime.combine(job.started_at.date(), datetime.min.time(), UTC)
    assert expires_at == midnight + timedelta(days=2)

    def view_at(time: datetime) -> JobView:
        links = DownloadLinks(workers.s3, 3600, clock=lambda: time)
        return JobView.of(job, links.create(job))

    early, late, over = (
        view_at(expires_at - timedelta(seconds=seconds)) for seconds in (7200, 60, 0)
    )
    assert early.download_url_expires_at == expires_at - timedelta(seconds=3600)
    assert late.download_url_expires_at == expires_at
    assert (over.download_url, over.archives[0].download_url) == (None, None)
    assert over.archives[0].size == early.archives[0].size
    assert over.archive_expires_at == expires_at
