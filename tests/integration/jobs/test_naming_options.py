"""Jobs that say how their archive and its members are called, on moto."""

import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.worker_setup import Workers
from zipjobs.archive.options import EngineOptions
from zipjobs.archive.part_sizing import MIB, PartSizing
from zipjobs.jobs.job import Job, Status
from zipjobs.s3.target import Target
from zipjobs.worker.segment_plan import WorkerQuota

QUOTA = WorkerQuota(read_bytes=6 * MIB, copied_bytes=40 * MIB, entries=1000)
OPTIONS = EngineOptions(
    sizing=PartSizing(assembled_bytes=6 * MIB, large_bytes=10 * MIB, own_bytes=5 * MIB)
)
"""With these, 20 MiB are more than one worker's share."""


def names_in(workers: Workers, key: str) -> list[str]:
    body = workers.s3.get_object(Bucket="dst", Key=key)["Body"].read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def objects_in(workers: Workers) -> list[str]:
    return [one["Key"] for one in workers.s3.list_objects_v2(Bucket="dst").get("Contents", [])]


def end(workers: Workers, request: Any) -> Job:
    """Run a job to its end, with the segments that it has."""
    job = workers.run(workers.request(request))
    for segment in workers.queue.sent:
        job = workers.run(segment)
    assert job.is_final
    return job


@pytest.fixture
def planning(workers: Workers, put: Callable[[str, bytes], str]) -> Workers:
    """A workers whose workers share a job of all that is below ``large/``."""
    workers.quota, workers.options = QUOTA, OPTIONS
    for number in range(5):
        put(f"large/{number}/report.pdf", bytes(4 * MIB))
    return workers


def test_members_may_keep_their_folders(workers: Workers) -> None:
    keys = ["a/one.pdf", "b/one.pdf"]
    end(workers, {"keys": keys, "naming": "path"})
    assert names_in(workers, "zips/job-1.zip") == keys


def test_members_of_a_planned_job_are_relative_to_its_prefix(planning: Workers) -> None:
    assert end(planning, {"prefix": "large/", "naming": "relative"}).status is Status.READY
    assert planning.queue.sent
    assert names_in(planning, "zips/job-1.zip") == [f"{n}/report.pdf" for n in range(5)]


def test_an_archive_with_a_name_has_its_receipt_beside_it(
    workers: Workers, uploads: Callable[[], list[Any]]
) -> None:
    job = end(workers, {"keys": ["a/one.pdf"], "archiveName": "Rechnungen für Q3.zip"})
    assert job.status is Status.READY
    stem = "zips/job-1/Rechnungen für Q3"
    assert objects_in(workers) == [f"{stem}.receipt.json", f"{stem}.zip"]
    assert [archive.key for archive in job.archives] == [f"{stem}.zip"]
    assert uploads() == []


def test_archives_with_a_name_are_numbered_behind_it(
    workers: Workers, put: Callable[[str, bytes], str]
) -> None:
    for number in range(2):
        put(f"large/{number}.bin", bytes(34 * MIB))
    request = {"prefix": "large/", "archiveName": "q3", "maxArchiveBytes": 64 * MIB}
    job = end(workers, request)
    assert job.status is Status.READY
    assert objects_in(workers) == [
        *("zips/job-1/q3-001.receipt.json", "zips/job-1/q3-001.zip"),
        *("zips/job-1/q3-002.receipt.json", "zips/job-1/q3-002.zip"),
    ]


def test_cleaning_up_after_a_name_leaves_the_longer_name_of_another_job_alone(
    workers: Workers, uploads: Callable[[], list[Any]]
) -> None:
    workers.writer.create(Target("dst", "zips/job-1/a.zip"))
    workers.writer.create(Target("dst", "zips/job-2/ab.zip"))
    job = end(workers, {"keys": ["gone.pdf"], "archiveName": "a"})
    assert job.status is Status.FAILED
    assert [one["Key"] for one in uploads()] == ["zips/job-2/ab.zip"]


@pytest.mark.parametrize("more", [{}, {"onMissing": "skip"}, {"compression": "deflate"}])
def test_names_that_are_wanted_twice_fail_the_job_before_anything_is_moved(
    workers: Workers, uploads: Callable[[], list[Any]], more: dict[str, str]
) -> None:
    request = {"keys": ["a/one.pdf", "b/one.pdf"], "onDuplicate": "fail", **more}
    job = end(workers, request)
    assert job.status is Status.FAILED
    assert job.error is not None
    assert job.error.code == "DUPLICATE_NAME"
    assert job.error.objects == ("s3://src/a/one.pdf", "s3://src/b/one.pdf")
    assert (job.attempts, job.uploads, objects_in(workers), uploads()) == (1, (), [], [])


def test_a_job_that_would_be_planned_fails_by_its_names_too(planning: Workers) -> None:
    job = end(planning, {"prefix": "large/", "onDuplicate": "fail"})
    assert job.error is not None
    assert job.error.code == "DUPLICATE_NAME"
    assert len(job.error.objects) == 5
    assert (planning.queue.sent, planning.work_objects()) == ([], [])


def test_names_that_differ_by_their_folders_do_not_fail_the_job(workers: Workers) -> None:
    request = {"keys": ["a/one.pdf", "b/one.pdf"], "onDuplicate": "fail", "naming": "path"}
    assert end(workers, request).status is Status.READY
    assert names_in(workers, "zips/job-1.zip") == ["a/one.pdf", "b/one.pdf"]


def test_a_key_that_is_too_long_fails_the_job_with_what_to_shorten(workers: Workers) -> None:
    prefix = "zips/" + "x" * 890
    job = end(workers, {"keys": ["a"], "targetPrefix": prefix, "archiveName": "y" * 200})
    assert job.error is not None
    assert job.error.code == "INVALID_REQUEST"
    assert "archiveName: " in job.error.message
