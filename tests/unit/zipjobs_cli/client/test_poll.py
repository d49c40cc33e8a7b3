"""Waiting for a job."""

from typing import TYPE_CHECKING, cast

import pytest

from tests.unit.zipjobs_cli.conftest import JOB_ID, job
from zipjobs_cli.client.api import ApiError
from zipjobs_cli.client.poll import MAX_PAUSE_SECONDS, wait_for_job

if TYPE_CHECKING:
    from zipjobs_cli.client.api import Api
    from zipjobs_cli.client.job import Job

UNKNOWN = ApiError(404, "JOB_NOT_FOUND", "There is no job")


class ScriptedApi:
    """Returns or raises the given responses in turn."""

    def __init__(self, *responses: "Job | ApiError") -> None:
        self._responses = list(responses)

    def get(self, job_id: str) -> "Job":
        assert job_id == JOB_ID
        response = self._responses.pop(0)
        if isinstance(response, ApiError):
            raise response
        return response


def wait(
    *responses: "Job | ApiError", start_seconds: float = 0.0
) -> tuple[list["Job"], list[float]]:
    """Return the jobs that were reported, and the pauses."""
    jobs: list[Job] = []
    pauses: list[float] = []
    api = cast("Api", ScriptedApi(*responses))
    last = wait_for_job(api, JOB_ID, jobs.append, start_seconds, pauses.append)
    assert last is jobs[-1]
    return jobs, pauses


def test_a_job_is_polled_until_it_is_finished() -> None:
    responses = [job("PENDING"), *[job()] * 20, job("FAILED")]
    jobs, pauses = wait(*responses)
    assert jobs == responses
    assert pauses == sorted(pauses)
    assert pauses[-1] == MAX_PAUSE_SECONDS


def test_an_unknown_job_is_polled_until_the_start_timeout() -> None:
    jobs, _ = wait(UNKNOWN, UNKNOWN, job("READY"), start_seconds=60)
    assert [one["status"] for one in jobs] == ["READY"]
    with pytest.raises(ApiError):
        wait(UNKNOWN, job("READY"))


def test_other_errors_are_raised() -> None:
    with pytest.raises(ApiError):
        wait(ApiError(403, "FORBIDDEN", "No"), job("READY"), start_seconds=60)
