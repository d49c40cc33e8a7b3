"""The path and the 404 problem of routes for a single job."""

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path

from zipjobs.api.problems import JOB_NOT_FOUND, HttpProblem

JOB_PATH = "/zip-jobs/<jobId>"

JobId = Annotated[
    str, Path(alias="jobId", description="The `jobId` in the response to `POST /zip-jobs`.")
]


def job_not_found(job_id: str) -> HttpProblem:
    """Return the problem of a job that does not exist, or that the caller may not see."""
    return HttpProblem(HTTPStatus.NOT_FOUND, JOB_NOT_FOUND, f"Job {job_id} does not exist.")
