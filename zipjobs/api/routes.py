"""What the routes of a job have in common."""

from http import HTTPStatus
from typing import Annotated

from aws_lambda_powertools.event_handler.openapi.params import Path

from zipjobs.api.problems import HttpProblem

JOB_PATH = "/zip-jobs/<jobId>"

JobId = Annotated[str, Path(alias="jobId", description="As the answer to its POST names it.")]


def job_not_found(job_id: str) -> HttpProblem:
    """Whether there is none of that id, or one that the caller may not know of."""
    return HttpProblem(HTTPStatus.NOT_FOUND, "JOB_NOT_FOUND", f"There is no job {job_id}.")
