"""Jobs that say how their archive and its members are called, on moto."""

import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.rig import Rig
from zipjobs.archive.options import EngineOptions
from zipjobs.archive.part_sizing import MIB, PartSizing
from zipjobs.jobs.job import Job, Status
from zipjobs.s3.target import Target
from zipjobs.worker.segment_plan import WorkerQuota

SHARE = WorkerQuota(read_bytes=6 * MIB, copied_bytes=40 * MIB, entries=1000)
OPTIONS = EngineOptions(
    sizing=PartSizing(assembled_bytes=6 * MIB, large_bytes=10 * MIB, own_bytes=5 * MIB)
)
"""With these, 20 MiB are more than one worker's share."""


def names_in(rig: Rig, key: str) -> list[str]:
    body = rig.s3.get_object(Bucket="dst", Key=key)["Body"].read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def objects_in(rig: Rig) -> list[str]:
    return [one["Key"] for one in rig.s3.list_objects_v2(Bucket="dst").get("Contents", [])]


def end(rig: Rig, request: Any) -> Job:
    """Run a job to its end, with the segments that it has."""
    job = rig.run(rig.request(request))
    for segment in rig.queue.sent:
        job = rig.run(segment)
    assert job.is_final
    return job


@pytest.fixture
def planning(rig: Rig, put: Callable[[str, bytes], str]) -> Rig:
    """A rig whose workers share a job of all that is below ``large/``."""
    rig.share, rig.options = SHARE, OPTIONS
    for number in range(5):
        put(f"large/{number}/report.pdf", bytes(4 * MIB))
    return rig


def test_members_may_keep_their_folders(rig: Rig) -> None:
    keys = ["a/one.pdf", "b/one.pdf"]
    end(rig, {"keys": keys, "naming": "path"})
    assert names_in(rig, "zips/job-1.zip") == keys


def test_members_of_a_planned_job_are_relative_to_its_prefix(planning: Rig) -> None:
    assert end(planning, {"prefix": "large/", "naming": "relative"}).status is Status.READY
    assert planning.queue.sent
    assert names_in(planning, "zips/job-1.zip") == [f"{n}/report.pdf" for n in range(5)]


def test_an_archive_with_a_name_has_its_receipt_beside_it(
    rig: Rig, uploads: Callable[[], list[Any]]
) -> None:
    job = end(rig, {"keys": ["a/one.pdf"], "archiveName": "Rechnungen für Q3.zip"})
    assert job.status is Status.READY
    stem = "zips/job-1/Rechnungen für Q3"
    assert objects_in(rig) == [f"{stem}.receipt.json", f"{stem}.zip"]
    assert [archive.key for archive in job.archives] == [f"{stem}.zip"]
    assert uploads() == []


def test_archives_with_a_name_are_numbered_behind_it(
    rig: Rig, put: Callable[[str, bytes], str]
) -> None:
    for number in range(2):
        put(f"large/{number}.bin", bytes(34 * MIB))
    request = {"prefix": "large/", "archiveName": "q3", "maxArchiveBytes": 64 * MIB}
    job = end(rig, request)
    assert job.status is Status.READY
    assert objects_in(rig) == [
        *("zips/job-1/q3-001.receipt.json", "zips/job-1/q3-001.zip"),
        *("zips/job-1/q3-002.receipt.json", "zips/job-1/q3-002.zip"),
    ]


def test_cleaning_up_after_a_name_leaves_the_longer_name_of_another_job_alone(
    rig: Rig, uploads: Callable[[], list[Any]]
) -> None:
    rig.writer.create(Target("dst", "zips/job-1/a.zip"))
    rig.writer.create(Target("dst", "zips/job-2/ab.zip"))
    job = end(rig, {"keys": ["gone.pdf"], "archiveName": "a"})
    assert job.status is Status.FAILED
    assert [one["Key"] for one in uploads()] == ["zips/job-2/ab.zip"]


@pytest.mark.parametrize("more", [{}, {"onMissing": "skip"}, {"compression": "deflate"}])
def test_names_that_are_wanted_twice_fail_the_job_before_anything_is_moved(
    rig: Rig, uploads: Callable[[], list[Any]], more: dict[str, str]
) -> None:
    request = {"keys": ["a/one.pdf", "b/one.pdf"], "onDuplicate": "fail", **more}
    job = end(rig, request)
    assert job.status is Status.FAILED
    assert job.error is not None
    assert job.error.code == "DUPLICATE_NAME"
    assert job.error.objects == ("s3://src/a/one.pdf", "s3://src/b/one.pdf")
    assert (job.attempts, job.uploads, objects_in(rig), uploads()) == (1, (), [], [])


def test_a_job_that_would_be_planned_fails_by_its_names_too(planning: Rig) -> None:
    job = end(planning, {"prefix": "large/", "onDuplicate": "fail"})
    assert job.error is not None
    assert job.error.code == "DUPLICATE_NAME"
    assert len(job.error.objects) == 5
    assert (planning.queue.sent, planning.working_objects()) == ([], [])


def test_names_that_differ_by_their_folders_do_not_fail_the_job(rig: Rig) -> None:
    request = {"keys": ["a/one.pdf", "b/one.pdf"], "onDuplicate": "fail", "naming": "path"}
    assert end(rig, request).status is Status.READY
    assert names_in(rig, "zips/job-1.zip") == ["a/one.pdf", "b/one.pdf"]


def test_a_key_that_is_too_long_fails_the_job_with_what_to_shorten(rig: Rig) -> None:
    prefix = "zips/" + "x" * 890
    job = end(rig, {"keys": ["a"], "targetPrefix": prefix, "archiveName": "y" * 200})
    assert job.error is not None
    assert job.error.code == "INVALID_REQUEST"
    assert "archiveName: " in job.error.message
