"""``POST /zip-jobs``: checks a request, puts it on the queue, answers 202."""

import base64
import logging
import uuid
from typing import Any

from zipjobs import wiring
from zipjobs.errors import NotAllowed, PermanentError, TransientError
from zipjobs.jobs.http import HttpAnswer, answer, problem
from zipjobs.jobs.job import Status, Submission, Trigger
from zipjobs.jobs.model import utc_now
from zipjobs.jobs.request import JobRequest, parse_request
from zipjobs.wiring import Submitting

logger = logging.getLogger("zipjobs.handlers")


def handler(event: dict[str, Any], context: object) -> HttpAnswer:
    """API Gateway HTTP API event, payload format 2.0, in; its answer out."""
    wiring.start_logging()
    try:
        return submit(_body(event), wiring.submitting())
    except NotAllowed as error:
        return problem(403, error.code, str(error))
    except PermanentError as error:
        return problem(400, error.code, str(error))
    except TransientError:
        logger.exception("The job was not accepted")
        return problem(503, "UNAVAILABLE", "The job was not accepted. Try again in a moment.")


def submit(body: bytes, submitting: Submitting) -> HttpAnswer:
    """Accept a job.

    The message goes out before the record: a worker that finds no record writes it, so there is
    no moment at which a crash would leave a recorded job that nobody works on.
    """
    request = parse_request(body)
    job_id = str(uuid.uuid4())
    destination = submitting.policy.resolve(request, job_id)
    submission = Submission(
        job_id=job_id,
        trigger=Trigger.API,
        request=submitting.requests.save(job_id, request),
        submitted_at=utc_now(),
    )
    submitting.queue.send(submission)
    submitting.store.create(submission, destination, request.count)
    logger.info("Job %s: accepted, %s", job_id, _extent(request))
    return answer(
        202,
        {"jobId": job_id, "status": Status.PENDING},
        {"location": f"/zip-jobs/{job_id}", "retry-after": "1"},
    )


def _extent(request: JobRequest) -> str:
    if request.count is not None:
        return f"{request.count:,} entries"
    return f"entries to be found (prefix {request.prefix!r}, list {request.entries_from!r})"


def _body(event: dict[str, Any]) -> bytes:
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body.encode()
