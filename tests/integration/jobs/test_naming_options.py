"""Request options that name archives and their members."""

import pytest

from tests.integration.conftest import Put
from tests.integration.worker_setup import Workers, error_of
from zipjobs.archive.options import EngineOptions
from zipjobs.archive.parts.sizing import MIB, PartSizing
from zipjobs.jobs.job import Status
from zipjobs.s3.target import Target
from zipjobs.worker.segment_plan import WorkerQuota

QUOTA = WorkerQuota(read_bytes=6 * MIB, copied_bytes=40 * MIB, entries=1000)
OPTIONS = EngineOptions(
    sizing=PartSizing(assembled_bytes=6 * MIB, large_bytes=10 * MIB, copy_part_bytes=5 * MIB)
)
SAME_NAMES = {"keys": ["a/one.pdf", "b/one.pdf"], "onDuplicate": "fail"}


@pytest.fixture
def splitting(workers: Workers, put: Put) -> Workers:
    """Workers whose quota the objects below ``large/`` exceed."""
    workers.quota, workers.options = QUOTA, OPTIONS
    for number in range(5):
        put(f"large/{number}/report.pdf", bytes(4 * MIB))
    return workers


def test_members_can_keep_their_folders(workers: Workers) -> None:
    assert workers.run_all(SAME_NAMES | {"naming": "path"}).status is Status.READY
    assert workers.member_names() == SAME_NAMES["keys"]


def test_members_of_a_split_job_can_be_relative_to_its_prefix(splitting: Workers) -> None:
    job = splitting.run_all({"prefix": "large/", "naming": "relative"})
    assert job.status is Status.READY
    assert splitting.queue.sent
    assert splitting.member_names() == [f"{n}/report.pdf" for n in range(5)]


def test_a_named_archive_has_its_receipt_next_to_it(workers: Workers) -> None:
    job = workers.run_all({"keys": ["a/one.pdf"], "archiveName": "Rechnungen für Q3.zip"})
    assert job.status is Status.READY
    stem = "zips/job-1/Rechnungen für Q3"
    assert workers.target_keys() == [f"{stem}.receipt.json", f"{stem}.zip"]
    assert [archive.key for archive in job.archives] == [f"{stem}.zip"]
    assert workers.uploads() == []


def test_several_named_archives_are_numbered(workers: Workers, put: Put) -> None:
    for number in range(2):
        put(f"large/{number}.bin", bytes(34 * MIB))
    request = {"prefix": "large/", "archiveName": "q3", "maxArchiveBytes": 64 * MIB}
    assert workers.run_all(request).status is Status.READY
    assert workers.target_keys() == [
        *("zips/job-1/q3-001.receipt.json", "zips/job-1/q3-001.zip"),
        *("zips/job-1/q3-002.receipt.json", "zips/job-1/q3-002.zip"),
    ]


def test_clean_up_keeps_the_uploads_of_other_jobs(workers: Workers) -> None:
    for key in ("zips/job-1/a.zip", "zips/job-2/ab.zip"):
        workers.writer.create(Target("dst", key))
    job = workers.run_all({"keys": ["gone.pdf"], "archiveName": "a"})
    assert job.status is Status.FAILED
    assert workers.uploads() == ["zips/job-2/ab.zip"]


@pytest.mark.parametrize("more", [{}, {"onMissing": "skip"}, {"compression": "deflate"}])
def test_duplicate_names_fail_the_job_before_objects_are_read(
    workers: Workers, more: dict[str, str]
) -> None:
    job = workers.run_all(SAME_NAMES | more)
    assert error_of(job).code == "DUPLICATE_NAME"
    assert error_of(job).objects == ("s3://src/a/one.pdf", "s3://src/b/one.pdf")
    assert (job.attempts, job.uploads, workers.target_keys(), workers.uploads()) == (1, (), [], [])


def test_duplicate_names_fail_a_job_before_it_is_split(splitting: Workers) -> None:
    error = error_of(splitting.run_all({"prefix": "large/", "onDuplicate": "fail"}))
    assert error.code == "DUPLICATE_NAME"
    assert len(error.objects) == 5
    assert (splitting.queue.sent, splitting.work_objects()) == ([], [])


def test_a_key_that_is_too_long_fails_the_job(workers: Workers) -> None:
    prefix = "zips/" + "x" * 890
    request = {"keys": ["a"], "targetPrefix": prefix, "archiveName": "y" * 200}
    error = error_of(workers.run_all(request))
    assert error.code == "INVALID_REQUEST"
    assert "archiveName: " in error.message
