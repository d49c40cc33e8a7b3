"""``POST /zip-jobs``: checks a request, puts it on the queue, answers 202.

With an ``Idempotency-Key``, the same request again is the same job.
"""

import base64
import logging
import uuid
from collections.abc import Callable
from typing import Any

from zipjobs import wiring
from zipjobs.errors import IdempotencyKeyReused, NotAllowed, PermanentError, TransientError
from zipjobs.jobs.http import HttpAnswer, answer, caller_of, problem
from zipjobs.jobs.idempotency import idempotent_job_id, request_digest
from zipjobs.jobs.job import ObjectRef, Status, Submission, Trigger
from zipjobs.jobs.model import utc_now
from zipjobs.jobs.request import JobRequest, parse_request
from zipjobs.jobs.requests import key_reused
from zipjobs.wiring import Submitting

logger = logging.getLogger("zipjobs.handlers")


def handler(event: dict[str, Any], context: object) -> HttpAnswer:
    """API Gateway HTTP API event, payload format 2.0, in; its answer out."""
    wiring.start_logging()
    try:
        key = event.get("headers", {}).get("idempotency-key")
        return submit(_body(event), wiring.submitting(), key, caller_of(event))
    except NotAllowed as error:
        return problem(403, error.code, str(error))
    except IdempotencyKeyReused as error:
        return problem(422, error.code, str(error))
    except PermanentError as error:
        return problem(400, error.code, str(error))
    except TransientError:
        logger.exception("The job was not accepted")
        return problem(503, "UNAVAILABLE", "The job was not accepted. Try again in a moment.")


def submit(
    body: bytes, submitting: Submitting, key: str | None = None, caller: str = ""
) -> HttpAnswer:
    """Accept a job, or find that it was accepted before: with the same idempotency ``key``."""
    request = parse_request(body)
    if key is None:
        job_id = str(uuid.uuid4())
        return _accept(job_id, request, submitting, submitting.requests.save)
    job_id = idempotent_job_id(key, caller)
    digest = request_digest(request)
    job = submitting.store.get(job_id)
    if job is None:
        submitting.store.forget_expired(job_id)
        return _accept(job_id, request, submitting, submitting.requests.save_once, digest)
    if job.request_digest != digest:
        raise key_reused()
    return _accepted(job_id, job.status)


def _accept(
    job_id: str,
    request: JobRequest,
    submitting: Submitting,
    save: Callable[[str, JobRequest], ObjectRef],
    digest: str | None = None,
) -> HttpAnswer:
    """Queue a job, and record it.

    The message goes out before the record: a worker that finds no record writes it, so there is
    no moment at which a crash would leave a recorded job that nobody works on.
    """
    destination = submitting.policy.resolve(request, job_id)
    submission = Submission(
        job_id=job_id,
        trigger=Trigger.API,
        request=save(job_id, request),
        request_digest=digest,
        submitted_at=utc_now(),
    )
    submitting.queue.send(submission)
    submitting.store.create(submission, destination, request.count)
    logger.info("Job %s: accepted, %s", job_id, _extent(request))
    return _accepted(job_id, Status.PENDING)


def _accepted(job_id: str, status: Status) -> HttpAnswer:
    return answer(
        202,
        {"jobId": job_id, "status": status},
        {"location": f"/zip-jobs/{job_id}", "retry-after": "1"},
    )


def _extent(request: JobRequest) -> str:
    if request.count is not None:
        return f"{request.count:,} entries"
    return f"entries to be found (prefix {request.prefix!r}, list {request.entries_from!r})"


def _body(event: dict[str, Any]) -> bytes:
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        return base64.b64decode(body)
    return str(body).encode(errors="surrogatepass")  # the schema refuses what is not UTF-8
