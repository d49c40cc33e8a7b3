"""``DELETE /zip-jobs/{jobId}``: cancels a job that has not ended."""

import logging
from typing import Any

from zipjobs import wiring
from zipjobs.errors import TransientError
from zipjobs.jobs.http import HttpAnswer, json_answer, problem
from zipjobs.jobs.job import Status
from zipjobs.jobs.view import JobView

logger = logging.getLogger("zipjobs.handlers")


def handler(event: dict[str, Any], context: object) -> HttpAnswer:
    """API Gateway HTTP API event, payload format 2.0, in; its answer out.

    A job that was cancelled before is answered alike. The job is cancelled once the table says so:
    what then fails is made up for by its worker, or by the sweeper.
    """
    wiring.start_logging()
    job_id = event["pathParameters"]["jobId"]
    try:
        job = wiring.ending().cancel(job_id)
    except TransientError:
        logger.exception("Job %s: not cancelled, or not to the end", job_id)
        return problem(503, "UNAVAILABLE", "The job may not be cancelled yet. Try again.")
    if job is None:
        return problem(404, "JOB_NOT_FOUND", f"There is no job {job_id}.")
    if job.status is not Status.CANCELLED:
        return problem(
            409, "JOB_FINISHED", f"Job {job_id} is {job.status}: it cannot be cancelled."
        )
    logger.info("Job %s: CANCELLED", job_id)
    return json_answer(200, JobView.of(job).to_json(), {"cache-control": "no-store"})
