"""End-to-end checks: problems of jobs and archives."""

import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.unit.zipjobs_cli.conftest import BODIES, Make, write_archive
from zipjobs_cli.checks.end_to_end import JobRun, Trigger, find_problems, wait_for_runs
from zipjobs_cli.client.api import ApiError
from zipjobs_cli.errors import Unreadable

if TYPE_CHECKING:
    from zipjobs_cli.client.api import Api

SIZES = Counter(len(body) for body in BODIES.values())


def problems_of(archives: list[Path], expected: Counter[int]) -> list[str]:
    progress: list[int] = []
    problems = find_problems(archives, expected, progress.append)
    assert sum(progress) == sum(archive.stat().st_size for archive in archives)
    return problems


def test_a_correct_archive_has_no_problems(make: Make) -> None:
    assert problems_of([make().archive], SIZES) == []


def test_entries_of_several_archives_are_added_up(make: Make) -> None:
    first = make({"a": b"1", "b": b"22"}, stem="job-001")
    second = make({"c": b"333"}, stem="job-002")
    assert problems_of([first.archive, second.archive], Counter([1, 2, 3])) == []


@pytest.mark.parametrize(
    "expected",
    [SIZES + Counter([1000]), SIZES - Counter([360]) + Counter([361])],
    ids=["another number", "another size"],
)
def test_entries_that_differ_from_the_objects_are_found(make: Make, expected: Counter[int]) -> None:
    (problem,) = problems_of([make().archive], expected)
    assert "4 entries with 389 bytes" in problem


def test_a_flipped_byte_is_found_by_receipt_and_zipfile(make: Make) -> None:
    pair = make({"a.pdf": b"one", "b.pdf": b"two"})
    pair.flip(pair.archive.read_bytes().index(b"two"))
    by_receipt, by_zipfile = problems_of([pair.archive], Counter([3, 3]))
    assert "receipt: 2 differences" in by_receipt
    assert "b.pdf" in by_zipfile


def test_another_archive_of_the_same_size_is_found(make: Make) -> None:
    pair = make({"a.pdf": b"one"})
    write_archive(pair.archive, [("a.pdf", b"two")])
    (problem,) = problems_of([pair.archive], Counter([3]))
    assert "receipt: 2 differences" in problem


def test_a_file_that_is_not_a_zip_file_is_unreadable(make: Make) -> None:
    pair = make()
    pair.archive.write_text("<Error>")
    with pytest.raises(Unreadable, match="cannot be read as a ZIP"):
        problems_of([pair.archive], SIZES)


def job(status: str, error: object = None) -> dict[str, Any]:
    return {"status": status, "error": error}


class ScriptedApi:
    """Returns the given jobs in turn, and the last one forever. None is an unknown job."""

    def __init__(self, *jobs: dict[str, Any] | None) -> None:
        self._jobs = list(jobs)

    def get(self, job_id: str) -> dict[str, Any]:
        job = self._jobs.pop(0) if len(self._jobs) > 1 else self._jobs[0]
        if job is None:
            raise ApiError(404, "JOB_NOT_FOUND", "")
        return job


@pytest.mark.parametrize(
    ("jobs", "timeout", "problem"),
    [
        ([None, job("PENDING"), job("RUNNING"), job("READY")], 60, None),
        ([job("FAILED", {"code": "SOURCE_NOT_FOUND", "message": "a"})], 60, "SOURCE_NOT_FOUND: a"),
        ([job("CANCELLED")], 60, "it is CANCELLED"),
        ([job("RUNNING")], 0, "still RUNNING after 0 seconds"),
        ([None], 0, "still unknown to the API after 0 seconds"),
    ],
)
def test_a_job_that_is_not_ready_in_time_has_a_problem(
    jobs: list[dict[str, Any] | None], timeout: float, problem: str | None
) -> None:
    run = JobRun("id", Trigger.API, time.monotonic())
    statuses: list[str | None] = []
    api = cast("Api", ScriptedApi(*jobs))
    wait_for_runs(api, [run], timeout, lambda run: statuses.append(run.status), lambda _: None)
    assert run.problem == problem
    assert len(statuses) == len(jobs)
