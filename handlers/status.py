"""``GET /zip-jobs/{jobId}``: shows a job, with a fresh download link if it is READY."""

from typing import Any

from zipjobs import wiring
from zipjobs.errors import TransientError
from zipjobs.jobs.http import HttpAnswer, json_answer, problem
from zipjobs.jobs.job import Status
from zipjobs.jobs.view import JobView


def handler(event: dict[str, Any], context: object) -> HttpAnswer:
    """API Gateway HTTP API event, payload format 2.0, in; its answer out."""
    wiring.start_logging()
    answering = wiring.answering()
    job_id = event["pathParameters"]["jobId"]
    try:
        job = answering.store.get(job_id)
        done = answering.progress.of(job) if job is not None and not job.is_final else None
    except TransientError:
        return problem(503, "UNAVAILABLE", "The job table did not answer. Try again in a moment.")
    if job is None:
        return problem(404, "JOB_NOT_FOUND", f"There is no job {job_id}.")
    links = answering.links.mint(job) if job.status is Status.READY else ()
    return json_answer(200, JobView.of(job, links, done).to_json(), {"cache-control": "no-store"})
