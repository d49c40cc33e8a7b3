"""Receipts."""

import json
import zlib

import pytest

from tests.integration.worker_setup import Workers
from zipjobs.jobs.job import Status, truncate_names
from zipjobs.unreadable import MAX_NAMED_OBJECTS
from zipjobs.worker.segment_plan import WorkerQuota

SMALL_QUOTA = WorkerQuota(entries=2)
QUOTAS = pytest.mark.parametrize("quota", [WorkerQuota(), SMALL_QUOTA], ids=["unsplit", "split"])


@QUOTAS
def test_the_record_has_the_versions_of_archive_and_receipt(
    workers: Workers, quota: WorkerQuota
) -> None:
    workers.quota = quota
    workers.s3.put_bucket_versioning(Bucket="dst", VersioningConfiguration={"Status": "Enabled"})
    (archive,) = workers.run_all({"keys": ["a/one.pdf", "b/one.pdf", "a/one.pdf"]}).archives
    for key, version in (
        (archive.key, archive.version_id),
        (archive.receipt_key, archive.receipt_version_id),
    ):
        assert workers.s3.head_object(Bucket="dst", Key=key)["VersionId"] == version


def test_a_receipt_describes_the_archive_and_its_sources(workers: Workers) -> None:
    workers.s3.put_bucket_versioning(Bucket="src", VersioningConfiguration={"Status": "Enabled"})
    put = workers.s3.put_object(Bucket="src", Key="c/zwei €.pdf", Body=b"three")
    job = workers.run(workers.submit({"keys": ["a/one.pdf", "c/zwei €.pdf"]}))
    (archive,) = job.archives
    found = workers.receipt()
    assert found["archive"] == {
        "bucket": "dst",
        "key": "zips/job-1.zip",
        "size": archive.size,
        "crc32": archive.crc32,
        "etag": archive.etag,
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
    assert f"{zlib.crc32(workers.target()):08x}" == archive.crc32


def test_split_and_unsplit_jobs_have_the_same_receipt(workers: Workers) -> None:
    request = {"keys": ["a/one.pdf", "b/one.pdf", "gone.pdf", "a/one.pdf"], "onMissing": "skip"}
    unsplit = workers.run(workers.submit(request, "unsplit"))
    workers.quota = SMALL_QUOTA
    split = workers.run_all(request)
    assert split.segments is not None
    assert (split.status, split.skipped) == (unsplit.status, unsplit.skipped) == (Status.READY, 1)
    for field in ("entries", "skipped"):
        assert workers.receipt()[field] == workers.receipt("zips/unsplit")[field]
    assert workers.work_objects() == []


def test_an_object_with_a_listed_size_can_be_missing(workers: Workers) -> None:
    rows = [{"key": key, "size": 3} for key in ("a/one.pdf", "gone.pdf", "b/one.pdf")]
    lines = "\n".join(json.dumps(row) for row in rows)
    workers.s3.put_object(Bucket="src", Key="list.jsonl", Body=lines.encode())
    workers.quota = SMALL_QUOTA
    job = workers.run_all({"entriesFrom": "s3://src/list.jsonl", "onMissing": "skip"})
    assert (job.status, job.entries_done, job.skipped) == (Status.READY, 2, 1)


def test_a_record_names_a_limited_number_of_objects() -> None:
    assert len(truncate_names([f"s3://b/{n}" for n in range(10_000)])) == MAX_NAMED_OBJECTS
    assert sum(map(len, truncate_names(["x" * 1024] * 200))) <= 20_000
