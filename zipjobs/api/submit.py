"""``POST /zip-jobs``: submit a job.

The same request with the same ``Idempotency-Key`` is the same job.
"""

import logging
import uuid
from collections.abc import Callable
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Header

from zipjobs import telemetry
from zipjobs.api.application import JOBS, Api, json_response
from zipjobs.api.problems import problem_responses
from zipjobs.errors import TransientError
from zipjobs.jobs.job import EVERYONE, Status, Submission, Trigger
from zipjobs.model import Model, utc_now
from zipjobs.requests.idempotency import (
    MAX_KEY_CHARS,
    idempotent_job_id,
    key_reused,
    request_digest,
)
from zipjobs.requests.schema import JobRequest, parse_request
from zipjobs.requests.storage import ObjectRef

if TYPE_CHECKING:
    from zipjobs.wiring.api import EnqueueDependencies

logger = logging.getLogger(__name__)

app: "Api[EnqueueDependencies]" = Api()


class SubmittedJob(Model):
    """A submitted job. PENDING if it is new, its status if the idempotency key is known."""

    job_id: str
    status: Status


@app.post(
    "/zip-jobs",
    operation_id="submitJob",
    tags=[JOBS],
    summary="Submit a job",
    description="Create a ZIP archive of objects in S3. Poll the job until it is READY, FAILED or "
    "CANCELLED.",
    responses={
        202: {
            "description": "The job was accepted",
            "headers": {
                "Location": {"description": "The path of the job", "schema": {"type": "string"}},
                "Retry-After": {"description": "Seconds", "schema": {"type": "string"}},
            },
            "content": {"application/json": {"model": SubmittedJob}},
        },
        **problem_responses(
            HTTPStatus.BAD_REQUEST,
            HTTPStatus.FORBIDDEN,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.SERVICE_UNAVAILABLE,
        ),
    },
)
def post(
    idempotency_key: Annotated[
        str | None,
        Header(
            alias="Idempotency-Key",
            description="A unique value, such as a UUID. Sending the same request with the same "
            "key again returns the same job. Keys of different callers are independent.",
            min_length=1,
            max_length=MAX_KEY_CHARS,
            pattern="^[ -~]+$",
        ),
    ] = None,
) -> Response[str]:
    """Submit a job. ``zipjobs/api/description.py`` describes the body."""
    request = parse_request(app.body)
    job = submit(request, app.dependencies, idempotency_key, app.caller)
    headers = {"location": f"/zip-jobs/{job.job_id}", "retry-after": "1"}
    return json_response(job, HTTPStatus.ACCEPTED, headers)


def submit(
    request: JobRequest,
    dependencies: "EnqueueDependencies",
    key: str | None = None,
    caller: str = EVERYONE,
) -> SubmittedJob:
    """Submit a job, or return the job that the caller submitted with this idempotency ``key``.

    Raises InvalidRequest, NotAllowed, IdempotencyKeyReused and ServiceUnavailable.
    """
    if key is None:
        job_id = str(uuid.uuid4())
        return _enqueue(job_id, request, dependencies, caller, dependencies.requests.save)
    job_id = idempotent_job_id(key, caller)
    telemetry.log_keys.append_keys(job_id=job_id)
    digest = request_digest(request)
    job = dependencies.store.get(job_id)
    if job is None:
        dependencies.store.forget_expired(job_id)
        save_once = dependencies.requests.save_once
        return _enqueue(job_id, request, dependencies, caller, save_once, digest)
    if job.request_digest != digest:
        raise key_reused()
    return SubmittedJob(job_id=job_id, status=job.status)


def _enqueue(
    job_id: str,
    request: JobRequest,
    dependencies: "EnqueueDependencies",
    caller: str,
    save: Callable[[str, JobRequest], ObjectRef],
    digest: str | None = None,
) -> SubmittedJob:
    """Send the message of a new job, then create its record.

    The job is accepted once the message is sent. A worker that finds no record creates it, so a
    crash between the two steps loses nothing: docs/adr/0001.
    """
    telemetry.log_keys.append_keys(job_id=job_id)
    destination = dependencies.allow_list.resolve(request, job_id)
    submission = Submission(
        job_id=job_id,
        owner=caller,
        trigger=Trigger.API,
        request=save(job_id, request),
        request_digest=digest,
        submitted_at=utc_now(),
    )
    dependencies.queue.send(submission)
    try:
        dependencies.store.create(submission, destination, request.count)
    except TransientError:
        logger.warning("Job %s: not recorded yet; its worker will do it", job_id, exc_info=True)
    logger.info("Job %s: accepted, %s", job_id, _source(request))
    return SubmittedJob(job_id=job_id, status=Status.PENDING)


def _source(request: JobRequest) -> str:
    if request.count is not None:
        return f"{request.count:,} entries"
    if request.prefix is not None:
        return f"entries below prefix {request.prefix!r}"
    return f"entries from {request.entries_from!r}"
