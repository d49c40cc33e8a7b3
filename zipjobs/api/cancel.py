"""``DELETE /zip-jobs/{jobId}``: cancels a job that has not ended."""

import logging
from http import HTTPStatus
from typing import TYPE_CHECKING

from aws_lambda_powertools.event_handler import Response

from zipjobs import telemetry
from zipjobs.api.application import JOBS, Api, json_response
from zipjobs.api.problems import HttpProblem, documented
from zipjobs.api.routes import JOB_PATH, JobId, job_not_found

if TYPE_CHECKING:
    from zipjobs.wiring.lifecycle import CancelDependencies
from zipjobs.errors import TransientError
from zipjobs.jobs.job import Status
from zipjobs.jobs.view import JobView

logger = logging.getLogger(__name__)

app: "Api[CancelDependencies]" = Api()


@app.delete(
    JOB_PATH,
    operation_id="cancelJob",
    tags=[JOBS],
    summary="Cancel a job",
    description="Its workers stop within seconds, and nothing is left of its archive. A job that "
    "is CANCELLED already is answered alike; one that is READY or FAILED stays so.",
    responses={
        200: {
            "description": "The job, CANCELLED",
            "content": {"application/json": {"model": JobView}},
        },
        **documented(
            HTTPStatus.FORBIDDEN,
            HTTPStatus.NOT_FOUND,
            HTTPStatus.CONFLICT,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    },
)
def cancel(job_id: JobId) -> Response[str]:
    """Cancel a job.

    It is cancelled once the table says so: what then fails is made up for by its worker, or by the
    reconciler.
    """
    telemetry.log_keys.append_keys(job_id=job_id)
    dependencies = app.dependencies
    job = dependencies.store.get(job_id)
    if job is None or not job.is_visible_to(app.caller):
        raise job_not_found(job_id)
    try:
        job = dependencies.finalizer.cancel(job_id)
    except TransientError:
        logger.exception("Job %s: not cancelled, or not to the end", job_id)
        raise
    if job is None:
        raise job_not_found(job_id)
    if job.status is not Status.CANCELLED:
        detail = f"Job {job_id} is {job.status}: it cannot be cancelled."
        raise HttpProblem(HTTPStatus.CONFLICT, "JOB_FINISHED", detail)
    logger.info("Job %s: CANCELLED", job_id)
    return json_response(JobView.of(job))
