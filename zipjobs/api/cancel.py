"""``DELETE /zip-jobs/{jobId}``: cancel a job."""

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response

from zipjobs import telemetry
from zipjobs.api.application import JOBS, Api, json_response
from zipjobs.api.problems import JOB_FINISHED, HttpProblem, problem_responses
from zipjobs.api.routes import JOB_PATH, JobId, job_not_found
from zipjobs.errors import TransientError
from zipjobs.jobs.job import Status
from zipjobs.jobs.view import JobView

if TYPE_CHECKING:
    from zipjobs.wiring.lifecycle import CancelDependencies

logger = logging.getLogger(__name__)

app: "Api[CancelDependencies]" = Api()


@app.delete(
    JOB_PATH,
    operation_id="cancelJob",
    tags=[JOBS],
    summary="Cancel a job",
    description="Workers stop within seconds, and partial output is deleted. Cancelling a "
    "CANCELLED job again returns the same response. A READY or FAILED job does not change.",
    responses={
        200: {
            "description": "The job is CANCELLED",
            "content": {"application/json": {"model": JobView}},
        },
        **problem_responses(
            HTTPStatus.FORBIDDEN,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.CONFLICT,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    },
)
def cancel(job_id: JobId) -> Response[str]:
    """Cancel a job.

    The job is cancelled once its record says so. If the clean-up after that fails, the job's
    worker or the reconciler completes it.
    """
    telemetry.log_keys.append_keys(job_id=job_id)
    dependencies = app.dependencies
    job = dependencies.store.get(job_id)
    if job is None or not job.is_visible_to(app.caller):
        raise job_not_found(job_id)
    try:
        job = dependencies.finalizer.cancel(job_id)
    except TransientError:
        logger.exception("Job %s: cancelling failed", job_id)
        raise
    if job is None:
        raise job_not_found(job_id)
    if job.status is not Status.CANCELLED:
        detail = f"Job {job_id} is {job.status} and cannot be cancelled."
        raise HttpProblem(HTTPStatus.CONFLICT, JOB_FINISHED, detail)
    logger.info("Job %s: CANCELLED", job_id)
    return json_response(JobView.of(job))
